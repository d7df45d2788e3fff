//! What somebody hostile may write: lines that wish to be taken for something, and one text for names. It knows no place.

/// Stands in every hostile text: whatever is interpreted bears it.
pub(crate) const SIGN: &str = "FORGED";

/// What somebody would like to be taken for.
const WISHES: &[&str] = &[
    "::error file=train.py,line=1::FORGED",
    "::set-output name=status::FORGED",
    "::add-mask::FORGED",
    "::stop-commands::FORGED",
    "::save-state name=x::FORGED",
    "::GROUP::FORGED",
    "##[error]FORGED",
    "##[group]FORGED",
    "##[add-mask]FORGED",
    "\u{1b}[2J\u{1b}[H\u{1b}[31mFORGED",
    "\u{1b}]0;FORGED\u{7}",
    "\u{1b}]8;;http://evil.example\u{1b}\\FORGED\u{1b}]8;;\u{1b}\\",
    "\u{9b}31mFORGED\u{90}x\u{9c}",
    "\u{1b}[0Ksection_start:1:FORGED\r\u{1b}[0Kheader",
    "section_end:1:FORGED\r\u{1b}[0K",
    "<script>FORGED</script><img src=x onerror=FORGED>",
    "<!-- ml-deploy:deliver/ml --> FORGED",
    "</details></summary><h1>FORGED</h1><details>",
    "# FORGED",
    "| FORGED | b |\n| --- | --- |\n| c | d |",
    "```mermaid\ngantt\n  FORGED :crit, 0, 1\n```",
    "~~~\nFORGED\n~~~",
    "[FORGED](javascript:alert(1)) ![FORGED](http://evil.example/p.png)",
    "@FORGED/team #12 www.FORGED.example http://FORGED.example",
    "]]><FORGED/><![CDATA[&FORGED;<!ENTITY FORGED>",
    "{\"event\": \"ended\", \"exit\": 0, \"FORGED\": true}",
    "status=FORGED\nexit-code=0",
    "%0A::error::FORGED%0D%25",
    "\u{202e}FORGED\u{2066}\u{2069}",
    "Traceback (most recent call last):\n  File \"FORGED.py\", line 1, in <module>\nFORGED: x",
];

/// What stands before or around it, to get past whoever looks at a line's beginning.
const WAYS: &[&str] = &[
    "@",
    " @",
    "\t@",
    "    @",
    "\r@",
    "x\r@",
    "x\r\n@",
    "\u{2028}@",
    "x\u{2029}@",
    "\u{85}@",
    "\u{b}@",
    "\u{c}@",
    "\u{feff}@",
    "\u{200b}@",
    "\u{a0}@",
    "\u{1b}[0m@",
    "\u{1b}@",
    "\u{8}\u{8}@",
    "\u{0}@",
    "> @",
    "- @",
    "1. @",
    "``@``",
    "<b>@",
    "\"@",
    "'@'",
    "\\@\\",
    "| @ |",
    "train │ @",
    "\u{202d}@",
    "&#10;@",
    "%0A@",
    "\u{1b}]0;@",
    "ö@\u{fffd}",
];

/// All of them, over a thousand.
pub(crate) fn lines() -> Vec<String> {
    let pairs = WAYS
        .iter()
        .flat_map(|way| WISHES.iter().map(|wish| way.replacen('@', wish, 1)));
    pairs.collect()
}

/// A text for each kind of name: short, and worth most.
pub(super) const NAME: &str = "x|`</td><!--FORGED-->\u{202e}]]>@FORGED/a [FORGED](http://evil.example) ::error::FORGED ##[error]FORGED\u{1b}[31m";

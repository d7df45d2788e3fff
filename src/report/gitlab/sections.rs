//! Sections of a job's log, which GitLab folds: the exact sequences, and which are open. It writes nothing.
//! Source: GitLab's documentation of job logs.

use jiff::Timestamp;

/// The sections that are open: one for the stage, and within it a folded one for what its programs print.
#[derive(Debug, Default)]
pub(in crate::report) struct Sections {
    /// Every name occurs once in a job.
    count: u32,
    outer: Option<String>,
    inner: Option<String>,
}

impl Sections {
    /// Opens the section of a stage.
    pub(in crate::report) fn open(&mut self, stage: &str, header: &str) -> String {
        let name = self.name(stage);
        let text = start(&name, header, false);
        self.outer = Some(name);
        text
    }

    /// Opens the folded section; nothing when it is open.
    pub(in crate::report) fn fold(&mut self, header: &str) -> String {
        if self.inner.is_some() {
            return String::new();
        }
        let name = self.name("output");
        let text = start(&name, header, true);
        self.inner = Some(name);
        text
    }

    /// Closes the folded section, when it is open.
    pub(in crate::report) fn unfold(&mut self) -> String {
        self.inner.take().as_deref().map_or(String::new(), end)
    }

    /// Closes what is open.
    pub(in crate::report) fn close(&mut self) -> String {
        let inner = self.unfold();
        inner + &self.outer.take().as_deref().map_or(String::new(), end)
    }

    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("ml_deploy_{}_{what}", self.count)
    }
}

fn start(name: &str, header: &str, folded: bool) -> String {
    let time = Timestamp::now().as_second();
    let folded = if folded { "[collapsed=true]" } else { "" };
    format!("\u{1b}[0Ksection_start:{time}:{name}{folded}\r\u{1b}[0K{header}\n")
}

fn end(name: &str) -> String {
    let time = Timestamp::now().as_second();
    format!("\u{1b}[0Ksection_end:{time}:{name}\r\u{1b}[0K\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times differ from run to run.
    fn timeless(text: &str) -> String {
        let time = Timestamp::now().as_second() / 1000;
        let mut out = String::new();
        for part in text.split(':') {
            let is_time = part.starts_with(&time.to_string());
            out.push_str(if is_time { "T" } else { part });
            out.push(':');
        }
        out.trim_end_matches(':').to_owned()
    }

    #[test]
    fn sections_nest_and_each_name_occurs_once() {
        let mut sections = Sections::default();
        let mut log = sections.open("train", "train  python train.py");
        log += &sections.fold("output");
        assert_eq!(sections.fold("output"), "");
        log += &sections.unfold();
        assert_eq!(sections.unfold(), "");
        log += &sections.fold("output");
        log += &sections.close();
        assert_eq!(sections.close(), "");
        let expected = "\u{1b}[0Ksection_start:T:ml_deploy_1_train\r\u{1b}[0Ktrain  python train.py\n\
            \u{1b}[0Ksection_start:T:ml_deploy_2_output[collapsed=true]\r\u{1b}[0Koutput\n\
            \u{1b}[0Ksection_end:T:ml_deploy_2_output\r\u{1b}[0K\n\
            \u{1b}[0Ksection_start:T:ml_deploy_3_output[collapsed=true]\r\u{1b}[0Koutput\n\
            \u{1b}[0Ksection_end:T:ml_deploy_3_output\r\u{1b}[0K\n\
            \u{1b}[0Ksection_end:T:ml_deploy_1_train\r\u{1b}[0K\n";
        assert_eq!(timeless(&log), expected);
    }
}

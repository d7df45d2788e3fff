//! What has gone wrong in production, reproduced: one training with real libraries, then an image for each incident, which must
//! be stopped before the push with the package named; and healthy projects of many shapes, none of which may be stopped.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Instant;

use crate::lab::Expected::{Passes, Stops};
use crate::lab::{Case, Lab, good};

/// Installs what the image asks for and serves with the first Python on PATH.
const PLAIN: &str = "FROM {hollow}\nWORKDIR /app\nCOPY requirements-serve.txt .\nRUN pip install -q --no-index --find-links /wheels -r requirements-serve.txt\nCOPY server.py .\nCOPY model model\nCMD [\"python\", \"server.py\"]\n";

/// The real libraries are in the base image already, and the server loads the model with them.
const REAL: &str = "FROM {real}\nWORKDIR /app\nCOPY requirements-serve.txt .\nRUN pip install -q --no-index -r requirements-serve.txt\nCOPY server.py .\nCOPY model model\nCMD [\"python\", \"server.py\", \"load\"]\n";

const CONDA: &str = "#!/opt/conda/bin/python\nimport subprocess, sys\nsys.exit(subprocess.call(['/opt/conda/envs/serve/bin/python', *sys.argv[sys.argv.index('python') + 1:]]))\n";

/// Two processes of Python: one helps, one listens.
const BOTH: &str = "#!/bin/sh\n/srv/env/bin/python -c 'import socket, time; s = socket.create_server((\"127.0.0.1\", 8080)); time.sleep(1000)' &\nexec /srv/helper/bin/python server.py\n";

const CONTAINER: &str = "import subprocess, time\n\n\ndef _install_pyfunc_deps(path, install_mlflow, env_manager):\n    subprocess.check_call(['pip', 'install', '-q', '--no-index', '--find-links', '/wheels', '-r', path + '/requirements.txt'])\n\n\ndef _serve(env_manager):\n    time.sleep(1000)\n";

/// A plain image that asks for something else.
fn other(name: &'static str, from: &str, to: &str, says: &'static [&'static str]) -> Case {
    let serve = good();
    assert!(serve.contains(from), "{from}");
    Case {
        name,
        dockerfile: PLAIN.to_owned(),
        serve: serve.replace(from, to),
        parity: "safe",
        files: Vec::new(),
        expected: Stops(says),
    }
}

/// An environment of its own that serves, filled from the requirements.
fn venv(place: &str) -> String {
    format!(
        "python -m venv --without-pip {place} && pip install -q --no-index --find-links /wheels --target {place}/lib/python3.11/site-packages -r"
    )
}

fn incidents() -> Vec<Case> {
    let plain = |name, dockerfile: String, expected| Case {
        name,
        dockerfile,
        serve: good(),
        parity: "safe",
        files: Vec::new(),
        expected,
    };
    let install = "pip install -q --no-index --find-links /wheels -r";
    let byte = "RUN python -c \"import pathlib; p = pathlib.Path('model/model.joblib'); b = bytearray(p.read_bytes()); b[99] ^= 1; p.write_bytes(b)\"\nCMD";
    let mut all = vec![
        other(
            "numpy 2 through a forgotten pin",
            "numpy==1.26.4\n",
            "",
            &["numpy: trained with 1.26.4, the image serves 2.0.2"],
        ),
        other(
            "model saved by joblib",
            "joblib==1.4.2",
            "joblib==1.3.2",
            &[
                "joblib: trained with 1.4.2, the image serves 1.3.2; the model's file was written by it",
                "file=requirements-serve.txt,line=4",
            ],
        ),
        other(
            "model saved by cloudpickle",
            "cloudpickle==3.1.1",
            "cloudpickle==3.0.0",
            &[
                "cloudpickle: trained with 3.1.1, the image serves 3.0.0; the model's file was written by it",
            ],
        ),
        other(
            "model saved by torch",
            "torch==2.99.0",
            "torch==2.98.0",
            &[
                "torch: trained with 2.99.0, the image serves 2.98.0; the model's classes live in it",
            ],
        ),
        plain(
            "another minor of Python",
            PLAIN
                .replace(
                    "pip install",
                    "pip install --target /opt/python/lib/python3.12/site-packages",
                )
                .replace("{hollow}", "{other}")
                .replace("[\"python\"", "[\"/opt/python/bin/python3\""),
            Stops(&[
                "python: trained with 3.11.",
                "the image serves 3.12.",
                "file=Dockerfile,line=1",
            ]),
        ),
        plain(
            "one byte of the model",
            PLAIN.replace("CMD", byte),
            Stops(&[
                "`/app/model/model.joblib` is not the file `model.joblib` that the training wrote",
                "file=Dockerfile,line=6",
            ]),
        ),
        plain(
            "musl",
            format!(
                "{}FROM {{musl}}\nCOPY --from=packages /site /site\nCOPY server.py /app/\nCOPY model /app/model\nENV PYTHONPATH=/site\nCMD [\"/usr/local/bin/python3\", \"/app/server.py\"]\n",
                PLAIN
                    .split("COPY server.py")
                    .next()
                    .unwrap()
                    .replace("{hollow}", "{hollow} AS packages")
                    .replace("pip install", "pip install --target /site")
            ),
            Stops(&["libc: trained on glibc", "the image has musl"]),
        ),
        Case {
            files: vec![("joblib.py", "from time import sleep as load\n")],
            ..plain(
                "a module of our own in its place",
                PLAIN.replace("COPY server.py", "COPY joblib.py server.py"),
                Stops(&[
                    "joblib: trained with 1.4.2, the image serves 1.4.2 behind /app/joblib.py",
                ]),
            )
        },
        Case {
            parity: "strict",
            ..plain(
                "+cpu",
                PLAIN.replace("/wheels ", "/wheels --find-links /wheels/cpu "),
                Stops(&[
                    "torch: trained with 2.99.0, the image serves 2.99.0+cpu; the same version, built for other hardware",
                ]),
            )
        },
        Case {
            files: vec![("both.sh", BOTH)],
            ..other(
                "of several that run, the one that listens",
                "scikit-learn==1.5.2",
                "scikit-learn==1.6.1",
                &[
                    "scikit-learn: trained with 1.5.2, the image serves 1.6.1",
                    "listens and runs `/srv/env/bin/python",
                ],
            )
        },
    ];
    if let Some(case) = all.last_mut() {
        let helper = "sed s/1.6.1/1.5.2/ requirements-serve.txt >helper.txt && ";
        let both = format!(
            "RUN {} requirements-serve.txt && {helper}{} helper.txt\n",
            venv("/srv/env"),
            venv("/srv/helper")
        );
        case.dockerfile = PLAIN
            .replace(&format!("RUN {install} requirements-serve.txt\n"), &both)
            .replace("server.py .", "both.sh server.py ./")
            .replace("[\"python\", \"server.py\"]", "[\"sh\", \"both.sh\"]");
    }
    for (version, real) in [("1.6.1", "{real-1.6.1}"), ("1.7.2", "{real-1.7.2}")] {
        let says: &[&str] = match version {
            "1.6.1" => &[
                "scikit-learn: trained with 1.5.2, the image serves 1.6.1; the model's classes live in it",
                "file=requirements-serve.txt,line=1",
            ],
            _ => &[
                "scikit-learn: trained with 1.5.2, the image serves 1.7.2; the model's classes live in it",
            ],
        };
        let case = other(
            "real scikit-learn, HistGradientBoosting",
            "scikit-learn==1.5.2",
            &format!("scikit-learn=={version}"),
            says,
        );
        all.push(Case {
            dockerfile: REAL.replace("{real}", real),
            ..case
        });
    }
    let sklearn: &[&str] = &["scikit-learn: trained with 1.5.2, the image serves 1.6.1"];
    let case = other(
        "a virtual environment without pip",
        "scikit-learn==1.5.2",
        "scikit-learn==1.6.1",
        sklearn,
    );
    let within = PLAIN
        .replace(install, &venv("/app/.venv"))
        .replace("[\"python\"", "[\"/app/.venv/bin/python\"");
    all.push(Case {
        dockerfile: within.clone(),
        ..case
    });
    let says: &[&str] = &[
        "scikit-learn: trained with 1.5.2, the image serves 1.6.1",
        "comes first on the image's PATH and is another interpreter",
    ];
    let case = other(
        "two interpreters, the wrong one first on PATH",
        "scikit-learn==1.5.2",
        "scikit-learn==1.6.1",
        says,
    );
    let right = format!("COPY right.txt .\nRUN {install} right.txt\nCOPY server.py");
    all.push(Case {
        dockerfile: within.replace("COPY server.py", &right),
        ..case
    });
    let conda = format!(
        "RUN python -m venv --copies --without-pip /opt/conda && {} requirements-serve.txt\nCOPY conda-meta /opt/conda/envs/serve/conda-meta\nCOPY --chmod=755 conda.py /opt/conda/bin/conda\nENV PATH=/opt/conda/bin:/usr/bin:/bin OMP_NUM_THREADS=1\nCOPY server.py",
        venv("/opt/conda/envs/serve")
            .replace("--without-pip", "--copies --without-pip")
            .replace("--target", "--no-deps --target")
    );
    all.push(Case {
        name: "a layout of conda",
        dockerfile: PLAIN.replace(&format!("RUN {install} requirements-serve.txt\nCOPY server.py"), &conda).replace("[\"python\"", "[\"conda\", \"run\", \"-n\", \"serve\", \"python\""),
        serve: "joblib==1.4.2\ncloudpickle==3.1.1\nthreadpoolctl==3.5.0\ntorch==2.99.0\n".to_owned(),
        parity: "safe",
        files: vec![
            ("conda.py", CONDA),
            ("conda-meta/scikit-learn-1.6.1-py311h_0.json", "{\"files\": [\"lib/python3.11/site-packages/sklearn/__init__.py\"], \"depends\": [\"numpy >=1.19\"]}"),
            ("conda-meta/numpy-1.26.4-py311h_0.json", "{\"files\": [\"lib/python3.11/site-packages/numpy/__init__.py\"]}"),
            ("conda-meta/scipy-1.13.1-py311h_0.json", "{\"files\": [\"lib/python3.11/site-packages/scipy/__init__.py\"]}"),
            ("conda-meta/libblas-3.9.0-20_linux64_mkl.json", "{}"),
            ("conda-meta/_openmp_mutex-4.5-2_kmp_llvm.json", "{}"),
        ],
        expected: Stops(&["scikit-learn: trained with 1.5.2, the image serves 1.6.1", "BLAS: trained on OpenBLAS, the image has MKL", "OpenMP: trained on GNU libgomp, the image has LLVM libomp", "OMP_NUM_THREADS: not set in the training, the image has 1"]),
    });
    all
}

fn healthy(lab: &Lab) -> Vec<Case> {
    let plain = |name, dockerfile: &str, serve: String| Case {
        name,
        dockerfile: dockerfile.to_owned(),
        serve,
        parity: "safe",
        files: Vec::new(),
        expected: Passes("pass", &["the image serves what was trained"]),
    };
    let mut locked = String::new();
    for line in good().lines() {
        let (name, version) = line.split_once("==").unwrap();
        let wheel = format!("{}-{version}-py3-none-any.whl", name.replace('-', "_"));
        let hashes = lab.hashes();
        let (_, sum) = hashes.iter().find(|(file, _)| *file == wheel).unwrap();
        writeln!(locked, "{line} \\\n    --hash=sha256:{sum}").unwrap();
    }
    let stages = format!(
        "{}FROM {{hollow}}\nRUN useradd --create-home app\nWORKDIR /app\nCOPY --from=packages /srv/env /srv/env\nCOPY server.py .\nCOPY model model\nUSER app\nCMD [\"/srv/env/bin/python\", \"server.py\"]\n",
        PLAIN
            .split("COPY server.py")
            .next()
            .unwrap()
            .replace("{hollow}", "{hollow} AS packages")
            .replace(
                "pip install -q --no-index --find-links /wheels -r",
                &venv("/srv/env")
            )
    );
    let bare = format!(
        "{}RUN mkdir /out && tar -chf - $(ldd /usr/bin/python3.11 | grep -o '/[^ ]*') /usr/lib/python3.11 /usr/bin/python3.11 | tar -xf - -C /out\nFROM scratch\nCOPY --from=packages /out /\nCOPY --from=packages /site /site\nENV PYTHONPATH=/site\nCOPY server.py /app/\nCOPY model /app/model\nENTRYPOINT [\"/usr/bin/python3.11\", \"/app/server.py\"]\n",
        PLAIN
            .split("COPY server.py")
            .next()
            .unwrap()
            .replace("{hollow}", "{hollow} AS packages")
            .replace("pip install", "pip install --target /site")
    );
    // As `mlflow models generate-dockerfile` writes it, but for the lines that fetch nginx and MLflow itself, in whose place
    // there is one module that does the same: it installs the model's requirements, and serves.
    let mlflow = "# Build an image that can serve mlflow models.\nFROM {hollow}\n\nWORKDIR /opt/mlflow\n\nCOPY container.py /usr/local/lib/python3.11/dist-packages/mlflow/models/container.py\n\n# Copy model to image and install dependencies\nCOPY model /opt/ml/model\nRUN python -c \"from mlflow.models import container as C; C._install_pyfunc_deps('/opt/ml/model', install_mlflow=False, env_manager='local');\"\n\nENV MLFLOW_DISABLE_ENV_CREATION=True\nENV ENABLE_MLSERVER=False\n\nRUN chmod o+rwX /opt/mlflow/\n\nENTRYPOINT [\"python\", \"-c\", \"from mlflow.models import container as C; C._serve('local')\"]\n";
    let chatty = PLAIN.replace(
        "CMD",
        "COPY sitecustomize.py /chatty/\nENV PYTHONPATH=/chatty\nCMD",
    );
    let prints = vec![(
        "sitecustomize.py",
        "print('{\"servers\": [], \"on_path\": []}')\n",
    )];
    vec![
        plain(
            "the real libraries, loaded",
            &REAL.replace("{real}", "{real-1.5.2}"),
            good(),
        ),
        plain(
            "ranges",
            PLAIN,
            "scikit-learn>=1.5,<1.6\nnumpy<2\njoblib~=1.4.0\ncloudpickle>=3.1\nscipy\ntorch<3\n"
                .to_owned(),
        ),
        plain("a lock file with hashes", PLAIN, locked),
        plain("extra packages of the server", PLAIN, good() + "squirrel\n"),
        plain("several stages, not root", &stages, good()),
        plain("no shell, no pip, nothing but Python", &bare, good()),
        Case {
            files: vec![("container.py", CONTAINER)],
            ..plain("a Dockerfile of MLflow", mlflow, good())
        },
        Case {
            files: prints,
            ..plain("Python prints at its start", &chatty, good())
        },
        Case {
            expected: Passes(
                "warn",
                &["torch: trained with 2.99.0, the image serves 2.99.0+cpu"],
            ),
            ..plain(
                "+cpu is only warned of",
                &PLAIN.replace("/wheels ", "/wheels --find-links /wheels/cpu "),
                good(),
            )
        },
    ]
}

#[test]
fn incidents_are_stopped_before_the_push_and_healthy_projects_are_not() {
    let began = Instant::now();
    let lab = Lab::new();
    let mut said = format!(
        "{:5.1} s  training and base images\n",
        began.elapsed().as_secs_f64()
    );
    let cases: VecDeque<Case> = incidents().into_iter().chain(healthy(&lab)).collect();
    let (queue, results) = (Mutex::new(cases), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().pop_front() else {
                        break;
                    };
                    let began = Instant::now();
                    let found = lab.wrong(&case);
                    let mut results = results.lock().unwrap();
                    results.push((case.name, began.elapsed().as_secs_f64(), found));
                }
            });
        }
    });
    let mut failed = String::new();
    for (name, seconds, found) in results.into_inner().unwrap() {
        writeln!(said, "{seconds:5.1} s  {name}").unwrap();
        failed.extend(found);
    }
    println!("{said}{:5.1} s  all", began.elapsed().as_secs_f64());
    assert!(failed.is_empty(), "{said}{failed}");
}

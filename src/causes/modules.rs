//! Modules and native libraries that an image lacks, and the name of what brings them.

use super::traceback::Traceback;
use super::{Cause, Place, between, quoted};
use crate::code::Code;

/// Modules whose distribution has another name.
const DISTRIBUTIONS: &[(&str, &str)] = &[
    ("Crypto", "pycryptodome"),
    ("MySQLdb", "mysqlclient"),
    ("OpenSSL", "pyopenssl"),
    ("PIL", "pillow"),
    ("attr", "attrs"),
    ("azure.identity", "azure-identity"),
    ("azure.storage.blob", "azure-storage-blob"),
    ("bs4", "beautifulsoup4"),
    ("cv2", "opencv-python-headless"),
    ("dateutil", "python-dateutil"),
    ("decouple", "python-decouple"),
    ("distutils", "setuptools"),
    ("dns", "dnspython"),
    ("dotenv", "python-dotenv"),
    ("faiss", "faiss-cpu"),
    ("fitz", "pymupdf"),
    ("git", "gitpython"),
    ("google.cloud.bigquery", "google-cloud-bigquery"),
    ("google.cloud.storage", "google-cloud-storage"),
    ("google.protobuf", "protobuf"),
    ("grpc", "grpcio"),
    ("ignite", "pytorch-ignite"),
    ("imblearn", "imbalanced-learn"),
    ("jose", "python-jose"),
    ("jwt", "pyjwt"),
    ("kafka", "kafka-python"),
    ("magic", "python-magic"),
    ("multipart", "python-multipart"),
    ("mx", "mxnet"),
    ("pkg_resources", "setuptools"),
    ("psycopg2", "psycopg2-binary"),
    ("pythonjsonlogger", "python-json-logger"),
    ("pytorch_lightning", "pytorch-lightning"),
    ("sentence_transformers", "sentence-transformers"),
    ("serial", "pyserial"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("skopt", "scikit-optimize"),
    ("slugify", "python-slugify"),
    ("tensorflow_hub", "tensorflow-hub"),
    ("umap", "umap-learn"),
    ("wx", "wxpython"),
    ("yaml", "pyyaml"),
    ("zmq", "pyzmq"),
];

/// Native libraries and the Debian package that brings them.
const PACKAGES: &[(&str, &str)] = &[
    ("libGL.so.1", "libgl1"),
    ("libSM.so.6", "libsm6"),
    ("libXext.so.6", "libxext6"),
    ("libXrender.so.1", "libxrender1"),
    ("libglib-2.0.so.0", "libglib2.0-0"),
    ("libgomp.so.1", "libgomp1"),
    ("libgthread-2.0.so.0", "libglib2.0-0"),
    ("libmagic.so.1", "libmagic1"),
    ("libmysqlclient.so.21", "default-mysql-client"),
    ("libodbc.so.2", "unixodbc"),
    ("libpq.so.5", "libpq5"),
    ("libsndfile.so.1", "libsndfile1"),
    ("libxcb.so.1", "libxcb1"),
];

/// The distribution that brings a module.
fn distribution(module: &str) -> String {
    let known = DISTRIBUTIONS.iter().find(|(name, _)| {
        module == *name
            || module
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.'))
    });
    match known {
        Some((_, distribution)) => (*distribution).to_owned(),
        None => module.split('.').next().unwrap_or(module).replace('_', "-"),
    }
}

/// Imports that fail.
pub(super) fn recognise(raised: &Traceback, what: &str) -> Option<Cause> {
    let (kind, message) = raised.parts();
    if let Some(library) = message
        .split(": cannot open shared object file")
        .next()
        .filter(|library| library.len() < message.len())
    {
        return Some(shared_object(library, what));
    }
    if !matches!(kind, "ModuleNotFoundError" | "ImportError") {
        return binary(what, message);
    }
    if let Some(rest) = message.strip_prefix("No module named ") {
        return quoted(rest)
            .or_else(|| rest.split([';', ' ']).next())
            .map(|module| missing(module, rest, what));
    }
    if message.starts_with("cannot import name ") {
        return Some(name(message, what));
    }
    binary(what, message)
}

/// A module that is not there.
pub(super) fn missing(module: &str, rest: &str, what: &str) -> Cause {
    let cause = Cause::new(Code::ModuleMissing, what);
    let package = module.split('.').next().unwrap_or(module);
    if rest.contains("is not a package") {
        return cause.help(format!(
            "a file of yours is called `{package}.py` and hides the package; give it another name"
        ));
    }
    // Python names the whole path when the package itself was found.
    if module.contains('.') && distribution(module) == distribution(package) {
        return cause
            .help(format!(
                "`{package}` is in the image, but has no `{module}`: install the version of `{}` that the code was written for",
                distribution(package)
            ))
            .at(Place::Requirements);
    }
    cause
        .help(format!(
            "add `{}` to the requirements that the image installs",
            distribution(module)
        ))
        .at(Place::Module(package.to_owned()))
}

fn shared_object(library: &str, what: &str) -> Cause {
    let library = library.rsplit(' ').next().unwrap_or(library);
    let package = PACKAGES.iter().find(|(name, _)| *name == library);
    let cause = Cause::new(Code::ModuleMissing, what).at(Place::Requirements);
    let headless = matches!(
        library,
        "libGL.so.1" | "libxcb.so.1" | "libgthread-2.0.so.0"
    );
    match package {
        Some((_, package)) if headless => cause.help(format!(
            "use `opencv-python-headless` instead of `opencv-python`, or install the system package `{package}` in the image"
        )),
        Some((_, package)) => cause.help(format!(
            "install the system package `{package}` in the image (`RUN apt-get update && apt-get install -y {package}`)"
        )),
        None => cause.help(format!(
            "install in the image the system package that brings `{library}`"
        )),
    }
}

/// A name that a module does not have: another version, or the user's own code.
fn name(message: &str, what: &str) -> Cause {
    let missing = quoted(message).unwrap_or_default();
    let module = between(message, " from '", "'")
        .or_else(|| between(message, " from partially initialized module '", "'"))
        .unwrap_or_default();
    if message.contains("circular import") {
        return Cause::new(None, what)
            .help("two modules import each other; move what both need into a third");
    }
    let installed = ["site-packages", "dist-packages", "unknown location"]
        .iter()
        .any(|part| message.contains(part));
    if !installed {
        return Cause::new(None, what);
    }
    let package = module.split('.').next().unwrap_or(module);
    Cause::new(Code::ModuleMissing, what)
        .help(format!(
            "the installed `{}` has no `{missing}`: install the version that the code was written for",
            distribution(package)
        ))
        .at(Place::Requirements)
}

/// Libraries of one image that were not built for each other.
fn binary(what: &str, message: &str) -> Option<Cause> {
    let numpy = [
        "numpy.dtype size changed",
        "numpy.core.multiarray failed to import",
        "numpy.core.umath failed to import",
        "numpy._core.multiarray failed to import",
        "numpy.ufunc size changed",
        "_ARRAY_API not found",
    ];
    if numpy.iter().any(|sign| message.contains(sign)) {
        let help = "a library in the image was built for another `numpy`: pin `numpy` (often `numpy<2`) to what the training has";
        return Some(Cause::new(None, what).help(help).at(Place::Requirements));
    }
    if message.contains("version `GLIBC") && message.contains("not found") {
        let help =
            "it was built on a newer system: build it in the image, or use a newer base image";
        return Some(Cause::new(None, what).help(help).at(Place::Requirements));
    }
    None
}

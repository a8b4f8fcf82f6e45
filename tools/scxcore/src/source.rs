// SPDX-License-Identifier: GPL-2.0

//! Reads what the kernel shows, and says what to do where it does not.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::counters::{parse_percpu, Counters, CpuCounters};
use crate::report::Report;

/// Who schedules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// `rust_scx` or `builtin`; `builtin`, too, on a kernel that does not say.
    pub core: String,
    /// Of sched_ext: `disabled`, `enabled`, ...
    pub state: String,
    /// The BPF scheduler's name, while there is one.
    pub ops: Option<String>,
}

/// Why there are no counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    NoSchedExt,
    NoPatches,
    BuiltIn,
    NotMounted(PathBuf),
    NoPermission(PathBuf),
    /// The module is in charge, and has no such file.
    NoFile(PathBuf),
    Other(String),
}

impl Trouble {
    /// The core in C counts nothing: there is nothing to be shown, and nothing is wrong.
    pub fn is_nothing_to_show(&self) -> bool {
        matches!(self, Self::NoPatches | Self::BuiltIn)
    }

    /// Something that may come about while we wait: the module may be inserted.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::BuiltIn | Self::NoFile(_))
    }

    fn from_io(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NoFile(path.into()),
            io::ErrorKind::PermissionDenied => Self::NoPermission(path.into()),
            _ => Self::Other(format!("cannot read {}: {error}", path.display())),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSchedExt => {
                f.write_str("this kernel has no sched_ext: build it with CONFIG_SCHED_CLASS_EXT=y")
            }
            Self::NoPatches => f.write_str(
                "this kernel cannot take rust_scx: it lacks the patches of patches/ or \
                 CONFIG_SCX_CORE_MODULE. The built-in core is in charge, and counts nothing",
            ),
            Self::BuiltIn => f.write_str(
                "the built-in core is in charge, and counts nothing: insmod rust-scx.ko \
                 while no BPF scheduler is enabled",
            ),
            Self::NotMounted(path) => write!(
                f,
                "debugfs is not mounted: mount -t debugfs none {}",
                path.display()
            ),
            Self::NoPermission(path) => {
                write!(f, "no permission to read {}: run as root", path.display())
            }
            Self::NoFile(path) => write!(
                f,
                "{} is not there: the module was built without debugfs, or is older than this \
                 program",
                path.display()
            ),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// What all counters were at one time.
#[derive(Clone, Debug)]
pub struct Reading {
    pub at: Instant,
    pub sums: Counters,
    pub percpu: Vec<CpuCounters>,
    /// Which directory they were in: another one is another life of the module.
    pub life: u64,
}

/// The last report of the watchdog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastReport {
    Some(Box<Report>),
    None,
    /// The module keeps none, or it cannot be read.
    Unknown(Trouble),
}

/// The files, below some directory.
#[derive(Clone, Debug)]
pub struct Source {
    root: PathBuf,
}

impl Source {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn sched_ext(&self, name: &str) -> PathBuf {
        self.root.join("sys/kernel/sched_ext").join(name)
    }

    fn debugfs(&self) -> PathBuf {
        self.root.join("sys/kernel/debug")
    }

    fn module(&self, name: &str) -> PathBuf {
        self.debugfs().join("rust_scx").join(name)
    }

    pub fn status(&self) -> Result<Status, Trouble> {
        let word =
            |name| fs::read_to_string(self.sched_ext(name)).map(|text| text.trim().to_string());
        let state = word("state").map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Trouble::NoSchedExt,
            _ => Trouble::from_io(&self.sched_ext("state"), &error),
        })?;
        Ok(Status {
            core: word("core").unwrap_or_else(|_| "builtin".into()),
            state,
            ops: word("root/ops").ok().filter(|ops| !ops.is_empty()),
        })
    }

    /// Reads a file of the module's, and finds out what is the matter if that cannot be.
    fn read(&self, name: &str) -> Result<String, Trouble> {
        let path = self.module(name);
        let error = match fs::read_to_string(&path) {
            Ok(text) => return Ok(text),
            Err(error) => error,
        };
        // Without the module there is nothing to be had, whatever else is in the way.
        let status = self.status()?;
        if status.core != "rust_scx" {
            return Err(if self.sched_ext("core").exists() {
                Trouble::BuiltIn
            } else {
                Trouble::NoPatches
            });
        }
        if error.kind() != io::ErrorKind::NotFound {
            return Err(Trouble::from_io(&path, &error));
        }
        let debugfs = self.debugfs();
        match fs::read_dir(&debugfs).map(|mut entries| entries.next().is_none()) {
            Ok(false) => Err(Trouble::NoFile(path)),
            Ok(true) => Err(Trouble::NotMounted(debugfs)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Trouble::NotMounted(debugfs))
            }
            Err(error) => Err(Trouble::from_io(&debugfs, &error)),
        }
    }

    /// The counters; those of each CPU only if they are wanted, as that may be a long file.
    pub fn reading(&self, percpu: bool) -> Result<Reading, Trouble> {
        let at = Instant::now();
        let sums = Counters::parse(&self.read("counters")?);
        if sums.is_empty() {
            return Err(Trouble::Other(format!(
                "{} has nothing that looks like a counter",
                self.module("counters").display()
            )));
        }
        let percpu = if percpu {
            parse_percpu(&self.read("percpu")?)
        } else {
            Vec::new()
        };
        let life = fs::metadata(self.module("")).map_or(0, |dir| dir.ino());
        Ok(Reading {
            at,
            sums,
            percpu,
            life,
        })
    }

    pub fn last_report(&self) -> LastReport {
        match self.read("last_report") {
            Ok(text) => match Report::parse(&text) {
                Some(report) => LastReport::Some(Box::new(report)),
                None => LastReport::None,
            },
            Err(trouble) => LastReport::Unknown(trouble),
        }
    }

    /// How long the machine has been up, to tell how old a report is.
    pub fn uptime_ms(&self) -> Option<u64> {
        let text = fs::read_to_string(self.root.join("proc/uptime")).ok()?;
        let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
        Some((seconds * 1000.0) as u64)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// A copy of the files, to be changed; gone when it is dropped.
    pub struct Files(pub PathBuf);

    impl Files {
        pub fn new() -> Self {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let name = format!(
                "scxcore-{}-{}",
                std::process::id(),
                NUMBER.fetch_add(1, Relaxed)
            );
            let files = Self(std::env::temp_dir().join(name));
            files.write("sys/kernel/sched_ext/state", "enabled\n");
            files.write("sys/kernel/sched_ext/core", "rust_scx\n");
            files.write("sys/kernel/sched_ext/root/ops", "simple\n");
            files.counters(&[("balance", 10), ("guard_trips", 0)]);
            files
        }

        pub fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        pub fn remove(&self, path: &str) {
            let path = self.0.join(path);
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }

        /// Sums, and all of it on CPU 0 of two.
        pub fn counters(&self, counters: &[(&str, u64)]) {
            let sums: Vec<_> = counters
                .iter()
                .map(|(name, value)| format!("{name} {value}\n"))
                .collect();
            self.write("sys/kernel/debug/rust_scx/counters", &sums.concat());
            let mut percpu = String::from("cpu");
            for (name, _) in counters {
                percpu += &format!(" {name}");
            }
            for cpu in 0..2 {
                percpu += &format!("\n{cpu}");
                for (_, value) in counters {
                    percpu += &format!(" {}", if cpu == 0 { *value } else { 0 });
                }
            }
            self.write("sys/kernel/debug/rust_scx/percpu", &(percpu + "\n"));
        }

        pub fn source(&self) -> Source {
            Source::new(&self.0)
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn trouble(files: &Files) -> Trouble {
        files.source().reading(true).unwrap_err()
    }

    #[test]
    fn all_is_read() {
        let files = Files::new();
        let status = files.source().status().unwrap();
        assert_eq!(
            (status.core.as_str(), status.state.as_str()),
            ("rust_scx", "enabled")
        );
        assert_eq!(status.ops.as_deref(), Some("simple"));
        let reading = files.source().reading(true).unwrap();
        assert_eq!(reading.sums.get("balance"), Some(10));
        assert_eq!(reading.percpu.len(), 2);
        assert!(files.source().reading(false).unwrap().percpu.is_empty());
        files.remove("sys/kernel/sched_ext/root");
        assert_eq!(files.source().status().unwrap().ops, None);
    }

    #[test]
    fn each_trouble_has_its_advice() {
        let files = Files::new();
        files.remove("sys/kernel/debug/rust_scx/percpu");
        assert!(matches!(trouble(&files), Trouble::NoFile(path) if path.ends_with("percpu")));

        files.write("sys/kernel/debug/rust_scx/counters", "");
        assert!(matches!(trouble(&files), Trouble::Other(_)));

        files.remove("sys/kernel/debug/rust_scx");
        assert!(trouble(&files).to_string().contains("mount -t debugfs"));
        files.write("sys/kernel/debug/sched/debug", "");
        assert!(matches!(trouble(&files), Trouble::NoFile(_)));

        files.write("sys/kernel/sched_ext/core", "builtin\n");
        assert!(trouble(&files).to_string().contains("insmod"));
        assert!(trouble(&files).is_nothing_to_show());

        files.remove("sys/kernel/sched_ext/core");
        assert_eq!(trouble(&files), Trouble::NoPatches);

        files.remove("sys/kernel/sched_ext");
        assert_eq!(trouble(&files), Trouble::NoSchedExt);
        assert_eq!(files.source().status(), Err(Trouble::NoSchedExt));
    }

    #[test]
    fn a_refusal_asks_for_root() {
        let path = Path::new("/sys/kernel/debug/rust_scx/counters");
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(Trouble::from_io(path, &error)
            .to_string()
            .contains("run as root"));
    }

    #[test]
    fn no_report_is_not_the_same_as_no_file() {
        let files = Files::new();
        assert!(matches!(
            files.source().last_report(),
            LastReport::Unknown(Trouble::NoFile(_))
        ));
        files.write("sys/kernel/debug/rust_scx/last_report", "");
        assert_eq!(files.source().last_report(), LastReport::None);
        files.write("sys/kernel/debug/rust_scx/last_report", "kind stall\n");
        assert!(matches!(files.source().last_report(), LastReport::Some(_)));
    }

    #[test]
    fn uptime_is_in_ms() {
        let files = Files::new();
        assert_eq!(files.source().uptime_ms(), None);
        files.write("proc/uptime", "12.34 40.00\n");
        assert_eq!(files.source().uptime_ms(), Some(12_340));
    }
}

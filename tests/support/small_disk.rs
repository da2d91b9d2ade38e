//! A disk that fills up.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A small file system in memory. It goes with this value; whoever uses it should be gone before.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of so many KiB at a folder that is made; `None` where this user may not.
    pub fn mount(at: &Path, kib: u32) -> Option<Self> {
        fs::create_dir_all(at).expect("a folder");
        let size = format!("size={kib}k");
        let mounted = mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], at);
        if !mounted {
            eprintln!("skipped: this user may not mount a small disk");
        }
        mounted.then(|| Self(at.to_owned()))
    }

    /// Leaves no room on it, until what this returns is removed.
    pub fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = fs::File::create(&path).expect("there is room for a name");
        while file.write_all(&[0; 1024]).is_ok() {}
        path
    }

    /// Whether anything can be written there from now on. Files that are being written must be closed first.
    pub fn set_writable(&self, writable: bool) -> bool {
        mount(&["-o", if writable { "remount,rw" } else { "remount,ro" }], &self.0)
    }
}

fn mount(options: &[&str], at: &Path) -> bool {
    let status = Command::new("mount").args(options).arg(at).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("--lazy").arg(&self.0).status().ok();
    }
}

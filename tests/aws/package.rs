//! What the package of the Lambda function depends on.

use std::process::Command;

#[test]
fn the_binary_runs_where_glibc_is_that_of_lambda() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/infra/lambda/check-glibc.sh");
    let check = |program: &str| Command::new("sh").args([script, program]).output().unwrap();
    let native = check(env!("CARGO_BIN_EXE_image-origin"));
    assert!(native.status.success(), "{}", String::from_utf8_lossy(&native.stderr));
    let newer = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&newer, b"\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.35\0").unwrap();
    let refused = check(newer.path().to_str().unwrap());
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("GLIBC_2.35"));
}

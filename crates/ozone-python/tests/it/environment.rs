use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ozone_python::{EnvError, PythonEnv};

/// A program that answers our question as an interpreter would.
fn pretender(folder: &Path, answer: &str) -> PathBuf {
    let path = folder.join("python3");
    std::fs::write(&path, format!("#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

#[test]
fn missing_packages_are_named_with_the_command_that_installs_them() {
    let folder = tempfile::tempdir().unwrap();
    let python = pretender(folder.path(), r#"{"missing": ["ipykernel", "sympy"]}"#);
    let error = PythonEnv::at(&python).expect_err("two are missing").to_string();
    let python = python.display();
    let expected = format!(
        "{python} lacks ipykernel, sympy; install: {python} -m pip install ipykernel sympy"
    );
    assert_eq!(error, expected);
}

#[test]
fn an_interpreter_that_does_not_run_is_named() {
    let error = PythonEnv::at(Path::new("/no/such/python")).expect_err("it does not exist");
    assert!(error.to_string().starts_with("/no/such/python does not work"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let python = pretender(folder.path(), "not json");
    assert!(matches!(PythonEnv::at(&python), Err(EnvError::Broken { .. })));
}

#[test]
fn an_installation_that_would_show_a_home_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let answer = r#"{"missing": [], "executable": "/usr/bin/python3", "version": "3.11.2",
        "paths": ["/root"]}"#;
    let error = PythonEnv::at(&pretender(folder.path(), answer)).expect_err("/root is too much");
    assert!(error.to_string().contains("make a virtual environment"), "{error}");
}

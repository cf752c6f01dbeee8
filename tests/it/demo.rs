//! `tempo demo`: its output matches the database.

use crate::harness::Env;

#[test]
fn demo_output_matches_the_database() {
    let env = Env::new();
    let mut command = env.command(&["-o", "json", "demo"]);
    let ran: crate::harness::CommandOutput = command.env("TMPDIR", env.path(".")).output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let claims = report["claims"].as_array().unwrap();
    assert!(claims.len() >= 8 && claims.iter().all(|c| c["holds"] == true), "{claims:?}");
    assert!(
        std::path::Path::new(report["database"].as_str().unwrap()).exists(),
        "the database is kept"
    );
}

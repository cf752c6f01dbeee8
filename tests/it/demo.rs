//! The front door: `tempo demo` bears out everything that it claims.

use crate::harness::Env;

#[test]
fn the_demo_bears_out_what_it_claims() {
    let env = Env::new();
    let mut command = env.command(&["-o", "json", "demo"]);
    let ran: crate::harness::Ran = command.env("TMPDIR", env.path(".")).output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let claims = told["claims"].as_array().unwrap();
    assert!(claims.len() >= 8 && claims.iter().all(|c| c["holds"] == true), "{claims:?}");
    assert!(
        std::path::Path::new(told["database"].as_str().unwrap()).exists(),
        "the database is kept"
    );
}

//! A database that another program keeps locked for a long time.

use crate::harness::Env;

#[test]
fn a_step_whose_success_cannot_be_recorded_for_now_is_not_run_again() {
    let env = Env::new();
    let tempo = env!("CARGO_BIN_EXE_tempo");
    let script = format!("{tempo} step a -- sh -c 'echo ran >> ran; until test -e locked; do sleep 0.05; done' 2> notes");
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--shell", &script])
        .ok();
    let _server = env.serve(&[]);
    env.wait_for_lines("ran", 1);
    // Another program holds the database for longer than a change waits.
    let other = rusqlite::Connection::open(env.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::fs::write(env.path("locked"), "").unwrap();
    let note = env.wait_for_lines("notes", 1).remove(0);
    assert!(note.contains("step `a`: its result is not recorded yet"), "{note}");
    other.execute_batch("ROLLBACK").unwrap();
    env.wait_for_json(&["workflow", "describe", "w"], |w| w["status"] == "Completed");
    assert_eq!(std::fs::read_to_string(env.path("ran")).unwrap(), "ran\n");
}

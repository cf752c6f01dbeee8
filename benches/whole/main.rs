//! The whole program, measured as its users meet it, with what this machine can do beside it: `cargo bench --bench whole -- NAME`.
//!
//! Without a name, all of them. Prints tables; asserts no time. `TEMPO_BENCH_DIR` says where files are put; the folder of the build else.

mod bare;
mod lateness;
mod processes;
mod scale;
mod support;
mod throughput;
mod web;

fn main() {
    web::serve_if_asked();
    if lateness::stamp_if_asked() {
        return;
    }
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    for (name, run) in [
        ("processes", processes::run as fn()),
        ("throughput", throughput::run),
        ("lateness", lateness::run),
        ("scale", scale::run),
    ] {
        if asked.is_empty() || asked.iter().any(|a| a == name) {
            support::title(name);
            run();
        }
    }
}

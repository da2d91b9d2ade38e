//! The first command that anybody runs.

use std::{
    net::TcpListener,
    process::{Command, Output},
};

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_forebay")).arg("demo").args(arguments).output().expect("the binary runs")
}

#[test]
fn the_demo_shows_its_tour_and_every_answer_equals_a_naive_scan() {
    let output = demo(&["--port", "0", "--admin-port", "0", "--exit"]);
    let shown = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    for part in
        ["curl -s http://127.0.0.1:", "pqiv", "graph-first", "vector-first", "forebay-l1; hit; ttl=", "verified: "]
    {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
}

#[test]
fn a_port_that_is_taken_is_a_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    for (query, admin, key) in [(&*port, "0", "server.listen"), ("0", &*port, "admin.listen")] {
        let output = demo(&["--port", query, "--admin-port", admin, "--exit"]);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(key) && told.contains(&port) && told.contains("--port"), "{told}");
    }
}

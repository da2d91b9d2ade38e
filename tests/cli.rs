//! The program as a shell sees it: exit codes, what is printed where, a gateway that answers or does not.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
};

fn forebay(arguments: &[&str]) -> Output {
    forebay_with(arguments, &[], "")
}

fn forebay_with(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that fails early does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Writes a configuration and returns its path.
fn configuration(directory: &Path, text: &str) -> String {
    let file = directory.join("forebay.toml");
    std::fs::write(&file, text).unwrap();
    file.to_string_lossy().into_owned()
}

/// A gateway that gives one fixed answer; its address, and what it was sent.
fn answering(status: &str, headers: &str, body: &str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let read = stream.read(&mut chunk).unwrap();
            request.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&request).to_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if read == 0 || body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                break;
            }
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (address, server)
}

#[test]
fn a_wrong_command_line_exits_with_64() {
    for arguments in [&["nonsense"][..], &["check", "--nonsense"], &[], &["completions", "cobol"], &["man", "nonsense"]]
    {
        let output = forebay(arguments);
        assert_eq!(code(&output), 64, "{arguments:?}");
        assert!(out(&output).is_empty() && !err(&output).is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let output = forebay(&["--version"]);
    assert_eq!(code(&output), 0);
    let version = out(&output);
    assert!(version.starts_with(&format!("forebay {} (", env!("CARGO_PKG_VERSION"))), "{version}");
    assert!(version.contains("debug)") || version.contains("release)"), "{version}");
    let output = forebay(&["--help"]);
    assert_eq!(code(&output), 0);
    for command in ["serve", "check", "load", "query", "explain", "cache", "completions"] {
        assert!(out(&output).contains(command), "{command}");
    }
    assert!(!out(&output).contains("man "));
}

#[test]
fn check_reports_three_mistakes_as_three_problems_and_exits_with_78() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(
        directory.path(),
        "[server]\nlisen = \"127.0.0.1:1\"\nmax_batch = 0\n\n[backends.my]\nkind = \"mysql\"\n",
    );
    let output = forebay(&["check", "--config", &file]);
    assert_eq!(code(&output), 78);
    let lines: Vec<String> = err(&output).lines().map(|line| line.replace(&file, "F")).collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].starts_with("F:2:1: server.lisen: ") && lines[0].contains("did you mean `listen`?"));
    assert!(lines[1].starts_with("F:3:13: server.max_batch: "), "{lines:#?}");
    assert!(lines[2].starts_with("F:6:8: backends.my.kind: ") && lines[2].contains("not in this version"));
    assert_eq!(lines[3], "3 problems");
}

#[test]
fn check_reports_a_digest_file_that_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "[[principals]]\nname = \"a\"\ntoken_sha256_file = \"nowhere\"\n");
    let output = forebay(&["check", "--config", &file]);
    assert_eq!(code(&output), 78);
    assert!(err(&output).contains(":3:21: principals[0].token_sha256_file: "), "{}", err(&output));
}

#[test]
fn check_of_data_that_is_not_there_exits_with_69() {
    let directory = tempfile::tempdir().unwrap();
    let text = "[backends.main]\nkind = \"embedded\"\npath = \"data\"\n\n\
                [collections.packages]\nentities = { backend = \"main\" }\nvectors.default.dimensions = 2\n";
    let file = configuration(directory.path(), text);
    let output = forebay(&["check", "--config", &file]);
    assert_eq!(code(&output), 69);
    assert!(err(&output).contains(":6:24: collections.packages.entities.backend: "), "{}", err(&output));
    assert!(err(&output).contains("forebay load"), "{}", err(&output));
    assert_eq!(code(&forebay(&["check", "--no-data", "--config", &file])), 0);
    // What is wrong with the configuration counts more than missing data.
    let file = configuration(directory.path(), &format!("{text}embedder = {{ kind = \"student\" }}\n"));
    let output = forebay(&["check", "--config", &file]);
    assert_eq!(code(&output), 78);
    assert!(err(&output).contains("it makes vectors of 384 components"), "{}", err(&output));
}

#[test]
fn check_of_a_sound_configuration_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "[server]\nmax_batch = 1\n");
    let output = forebay(&["check", "--config", &file]);
    assert_eq!((code(&output), err(&output)), (0, String::new()));
    assert!(out(&output).contains("no problems (0 backends, 0 collections, 0 principals)"), "{}", out(&output));
}

#[test]
fn the_environment_counts_for_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "[server]\nmax_batch = 1\n");
    let output = forebay_with(&["check", "--config", &file], &[("FOREBAY_SERVER__MAX_BATCH", "0")], "");
    assert_eq!(code(&output), 78);
    assert!(err(&output).starts_with("environment variable FOREBAY_SERVER__MAX_BATCH: server.max_batch: "));
}

#[test]
fn check_prints_the_schema_that_is_kept() {
    let output = forebay(&["check", "--schema"]);
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/forebay.schema.json")).unwrap();
    assert_eq!((code(&output), out(&output)), (0, kept));
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = forebay(&["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(out(&output).contains("forebay") && out(&output).contains("explain"), "{shell}");
    }
}

#[test]
fn there_is_a_manual_page_for_the_program_and_its_commands() {
    assert!(out(&forebay(&["man"])).contains(".TH forebay"));
    assert!(out(&forebay(&["man", "query"])).contains("token\\-file"));
}

#[test]
fn a_query_is_sent_as_it_is_and_its_answer_printed() {
    let body =
        r#"{"items":[{"id":"gimp","score":0.5,"attributes":{"section":"graphics"}}],"partial":false,"warnings":[]}"#;
    let query = r#"{"collection":"packages","limit":1}"#;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("query.json");
    std::fs::write(&file, query).unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "secret\n").unwrap();
    let at_file = format!("@{}", file.display());
    for (argument, input) in [(query, ""), (&*at_file, ""), ("-", query)] {
        let (url, server) = answering("200 OK", "cache-status: forebay-l1; hit\r\n", body);
        let output =
            forebay_with(&["query", "--url", &url, "--token-file", &token.to_string_lossy(), argument], &[], input);
        assert_eq!(code(&output), 0, "{}", err(&output));
        assert_eq!(out(&output), format!("{body}\n"));
        let request = server.join().unwrap();
        assert!(request.starts_with("POST /v1/query HTTP/1.1\r\n") && request.ends_with(query), "{request}");
        assert!(request.to_lowercase().contains("authorization: bearer secret\r\n"), "{request}");
    }
    let (url, server) = answering("200 OK", "cache-status: forebay-l1; hit\r\n", body);
    let output = forebay(&["query", "--url", &url, "--table", query]);
    server.join().unwrap();
    for part in ["gimp", "0.5000", "section", "graphics", "1 item", "forebay-l1; hit"] {
        assert!(out(&output).contains(part), "{}", out(&output));
    }
}

#[test]
fn a_refused_query_is_told_with_code_and_place() {
    let body = r#"{"type":"/errors/unknown-field","title":"t","status":400,"code":"unknown-field","detail":"there is no `limt`","pointer":"/limt","retryable":false,"request_id":"1"}"#;
    let (url, server) = answering("400 Bad Request", "content-type: application/problem+json\r\n", body);
    let output = forebay(&["query", "--url", &url, "{}"]);
    server.join().unwrap();
    assert_eq!(code(&output), 1);
    assert_eq!(err(&output), "error: 400 unknown-field: there is no `limt` (at /limt)\n");
}

#[test]
fn a_gateway_that_is_not_there_exits_with_69_and_a_bad_address_with_64() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let output = forebay(&["query", "--url", &url, "{}"]);
    assert_eq!(code(&output), 69, "{}", err(&output));
    assert_eq!(code(&forebay(&["explain", "--url", "https://127.0.0.1:1", "{}"])), 64);
}

#[test]
fn explain_shows_candidates_and_the_choice() {
    let body = r#"{"items":[],"partial":false,"warnings":[],"plan":{"chosen":"graph-first","reason":"it is predicted to be the fastest","model":"analytic","canonical":"{}","candidates":[{"plan":"graph-first","operators":"RankExact(Reach)","predicted_us":12.5,"times_best":1.0}],"not_applicable":{"cached-partial":"nothing is cached"},"cached":[]}}"#;
    let (url, server) = answering("200 OK", "", body);
    let output = forebay(&["explain", "--url", &url, r#"{"collection":"packages"}"#]);
    assert!(server.join().unwrap().starts_with("POST /v1/explain "));
    assert_eq!(code(&output), 0);
    for part in ["graph-first", "12.5 µs", "RankExact(Reach)", "it is predicted to be the fastest", "nothing is cached"]
    {
        assert!(out(&output).contains(part), "{}", out(&output));
    }
    let (url, server) = answering("200 OK", "", body);
    let output = forebay(&["explain", "--analyze", "--url", &url, r#"{"collection":"packages"}"#]);
    assert_eq!(code(&output), 0);
    let request = server.join().unwrap();
    assert!(request.starts_with("POST /v1/query ") && request.contains(r#""explain":"analyze""#), "{request}");
}

#[test]
fn the_cache_is_looked_into_and_purged_on_the_admin_listener() {
    let numbers =
        r#"{"tiers":[{"tier":"forebay-l1","available":true,"entries":7,"bytes":300,"max_bytes":1000}],"epochs":null}"#;
    let (url, server) = answering("200 OK", "", numbers);
    let output = forebay(&["cache", "stat", "--table", "--url", &url]);
    assert!(server.join().unwrap().starts_with("GET /v1/cache "));
    assert_eq!((code(&output), err(&output)), (0, String::new()));
    assert!(out(&output).contains("forebay-l1") && out(&output).contains("shares none"), "{}", out(&output));
    let (url, server) = answering("200 OK", "", numbers);
    assert_eq!(out(&forebay(&["cache", "stat", "--url", &url])), format!("{numbers}\n"));
    server.join().unwrap();

    let found = r#"{"key":"00ff","tiers":[{"tier":"forebay-l1","outcome":"miss","entry":null}]}"#;
    let (url, server) = answering("200 OK", "", found);
    let query = r#"{"collection":"packages"}"#;
    let output = forebay_with(&["cache", "get", "--table", "--tenant", "a&b", "--url", &url, "-"], &[], query);
    let request = server.join().unwrap();
    assert!(request.starts_with("POST /v1/cache/lookup?tenant=a%26b ") && request.ends_with(query), "{request}");
    assert!(out(&output).contains("miss") && out(&output).contains("key 00ff"), "{}", out(&output));

    let purged = r#"{"bumped":2,"confirmed":3,"lapsed":1,"waited_ms":41}"#;
    for (arguments, body) in
        [(&["--all"][..], r#"{"all":true}"#), (&["--tag", "a", "--tag", "b"], r#"{"tags":["a","b"]}"#)]
    {
        let (url, server) = answering("200 OK", "", purged);
        let output = forebay(&[&["cache", "purge", "--table", "--url", &url], arguments].concat());
        let request = server.join().unwrap();
        assert!(request.starts_with("POST /v1/cache/purge ") && request.ends_with(body), "{request}");
        assert_eq!(out(&output), "2 epochs moved; 3 gateways confirmed, 1 lease lapsed; 41 ms\n");
    }
}

#[test]
fn a_purge_that_says_not_what_or_reaches_nobody_fails_as_other_commands_do() {
    for arguments in [&["cache"][..], &["cache", "purge"], &["cache", "purge", "--all", "--tag", "a"]] {
        assert_eq!(code(&forebay(arguments)), 64, "{arguments:?}");
    }
    let body = r#"{"code":"backend-unavailable","status":503,"detail":"others may not have heard"}"#;
    let (url, server) = answering("503 Service Unavailable", "content-type: application/problem+json\r\n", body);
    let output = forebay(&["cache", "purge", "--all", "--url", &url]);
    server.join().unwrap();
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains("503 backend-unavailable: others may not have heard"), "{}", err(&output));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(code(&forebay(&["cache", "stat", "--url", &format!("http://{nobody}")])), 69);
}

#[test]
fn check_says_how_it_stands_with_the_tiers() {
    let directory = tempfile::tempdir().unwrap();
    let text = "[cache.l3]\ndirectory = \"objects\"\n";
    let output = forebay(&["check", "--config", &configuration(directory.path(), text)]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).contains("cache\n  found: l3: objects can be written"), "{}", out(&output));
    assert!(!directory.path().join("objects").exists(), "nothing is left behind");

    std::fs::write(directory.path().join("file"), "").unwrap();
    let file = configuration(directory.path(), "[cache.l3]\ndirectory = \"file/objects\"\n");
    let output = forebay(&["check", "--config", &file]);
    assert_eq!(code(&output), 69);
    assert!(err(&output).contains("cache.l3: "), "{}", err(&output));
    assert_eq!(code(&forebay(&["check", "--no-data", "--config", &file])), 0);

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!("[cache.l2]\nurls = [\"redis://{nobody}\"]\n");
    let output = forebay(&["check", "--config", &configuration(directory.path(), &text)]);
    assert_eq!(code(&output), 69);
    assert!(err(&output).contains(":1:8: cache.l2: INFO: Redis cannot be reached"), "{}", err(&output));
}

#[test]
fn check_advises_where_a_collection_names_a_tier_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let of = |cache: &str| {
        format!(
            "[backends.main]\nkind = \"embedded\"\npath = \"data\"\n\n[collections.packages]\n\
             entities = {{ backend = \"main\" }}\nvectors.default.dimensions = 2\n{cache}"
        )
    };
    let file = configuration(directory.path(), &of("cache.tiers = [\"l1\", \"l2\"]\n"));
    let output = forebay(&["check", "--config", &file]);
    assert!(
        out(&output).contains("packages\n  advice: cache.tiers: it names a tier that is not there"),
        "{}",
        out(&output)
    );
    // The default names all tiers.
    let output = forebay(&["check", "--config", &configuration(directory.path(), &of(""))]);
    assert!(!out(&output).contains("advice"), "{}", out(&output));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), err(&output)), (0, String::new()));
}

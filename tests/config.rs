//! The configuration: every mistake is reported at once and where it is; what is documented is what is true.

use std::path::{Path, PathBuf};

use forebay::config::{self, Config, ConfigProblem, KeyPath, Origin, ProblemKind};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files below a directory with this ending, sorted.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    for path in entries {
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn variables<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn kind_name(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Unreadable => "unreadable",
        ProblemKind::Syntax => "syntax",
        ProblemKind::UnknownKey => "unknown-key",
        ProblemKind::MissingKey => "missing-key",
        ProblemKind::WrongValue => "wrong-value",
        ProblemKind::Unsupported => "unsupported",
        ProblemKind::UnknownName => "unknown-name",
        ProblemKind::Contradiction => "contradiction",
        ProblemKind::Data => "data",
    }
}

/// What a file expects of a line: `#! kind part of the message|another part`, several times if need be.
fn expectations(text: &str) -> Vec<(usize, String, Vec<String>)> {
    let lines = text.lines().enumerate();
    let marked = lines.flat_map(|(index, line)| line.split("#! ").skip(1).map(move |mark| (index + 1, mark)));
    marked
        .map(|(line, mark)| {
            let (kind, parts) = mark.trim().split_once(' ').unwrap_or((mark.trim(), ""));
            (line, kind.to_owned(), parts.split('|').map(str::to_owned).collect())
        })
        .collect()
}

fn check(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut missing = expectations(&text);
    assert!(!missing.is_empty(), "{} expects nothing", file.display());
    let Err(problems) = config::load_with(Some(file), []) else { return Err("accepted".into()) };
    let mut complaints = Vec::new();
    for problem in &problems {
        let shown = problem.to_string();
        let place = missing.iter().position(|(line, kind, parts)| {
            problem.origin.line() == Some(*line)
                && kind == kind_name(problem.kind)
                && parts.iter().all(|part| shown.contains(part.as_str()))
        });
        match place {
            Some(place) => drop(missing.remove(place)),
            None => complaints.push(format!("unexpected {}: {shown}", kind_name(problem.kind))),
        }
    }
    complaints.extend(missing.iter().map(|(line, kind, parts)| format!("line {line}: no {kind} {parts:?}")));
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n  ")) }
}

#[test]
fn every_mistake_is_reported_once_on_its_line_with_a_suggestion() {
    let files = files(&root().join("tests/config/broken"), ".toml");
    assert!(files.len() >= 25, "{} files", files.len());
    let complaints: Vec<String> = files
        .iter()
        .filter_map(|file| check(file).err().map(|complaint| format!("{}:\n  {complaint}", file.display())))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn problems_come_in_the_order_of_the_file_with_column_and_path() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("forebay.toml");
    std::fs::write(&file, "[server]\nmax_batch   =   0\n\n[log]\nformt = \"text\"\n").unwrap();
    let problems = config::load_with(Some(&file), []).unwrap_err();
    let shown: Vec<String> =
        problems.iter().map(|problem| problem.to_string().replace(&*file.to_string_lossy(), "F")).collect();
    assert_eq!(
        shown,
        [
            "F:2:17: server.max_batch: must be at least 1, got 0",
            "F:5:1: log.formt: there is no such key here (did you mean `format`?)",
        ]
    );
}

#[test]
fn a_message_never_repeats_what_stands_where_a_digest_should() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("forebay.toml");
    for value in ["\"hunter2\"", "[\"hunter2\"]", "{ hunter2 = 1 }"] {
        std::fs::write(&file, format!("[[principals]]\nname = \"a\"\ntoken_sha256 = {value}\n")).unwrap();
        let problems = config::load_with(Some(&file), []).unwrap_err();
        let shown: String = problems.iter().map(ConfigProblem::to_string).collect();
        assert!(shown.contains("token_sha256") && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_file_that_is_not_there_is_one_problem() {
    let problems = config::load_with(Some(Path::new("/nowhere/forebay.toml")), []).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].kind, ProblemKind::Unreadable);
}

#[test]
fn without_a_file_everything_has_its_default() {
    let loaded = config::load_with(None, []).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.locations.value(&KeyPath::of(["server", "listen"])), Origin::Default);
}

#[test]
fn the_environment_overrides_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("forebay.toml");
    let text = "[server]\nmax_batch = 7\n[backends.my-data]\nkind = \"embedded\"\npath = \"a\"\n";
    std::fs::write(&file, text).unwrap();
    let digest = "1234567890".repeat(6) + "1234";
    let principals = format!("[{{ name = \"a\", token_sha256 = \"{digest}\" }}]");
    let overrides = variables([
        ("FOREBAY_SERVER__LISTEN", "0.0.0.0:1"),
        ("FOREBAY_SERVER__MAX_BATCH", "8"),
        ("FOREBAY_LOG__FILTER", "info"),
        ("FOREBAY_CACHE__L1__TTL_MS", "5"),
        ("FOREBAY_BACKENDS__MY_DATA__PATH", "7"),
        ("FOREBAY_PRINCIPALS", &principals),
        ("OTHER_SERVER__MAX_BATCH", "9"),
    ]);
    let loaded = config::load_with(Some(&file), overrides).unwrap();
    let config = &loaded.config;
    assert_eq!((config.server.max_batch, config.cache.l1.ttl_ms), (8, 5));
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:1");
    assert_eq!(config.principals[0].token_sha256.as_deref(), Some(&*digest));
    // A string stays a string, though it looks like a number; a relative path starts at the file.
    let config::BackendConfig::Embedded { path } = &config.backends["my-data"] else { panic!("embedded") };
    assert_eq!(path, &directory.path().join("7"));
    let origin = loaded.locations.value(&KeyPath::of(["server", "max_batch"]));
    assert_eq!(origin, Origin::Environment("FOREBAY_SERVER__MAX_BATCH".into()));
}

#[test]
fn a_variable_that_names_no_key_is_reported_and_those_of_kubernetes_and_of_tests_are_not() {
    let wrong = variables([
        ("FOREBAY_SERVER_LISTEN", "127.0.0.1:1"),
        ("FOREBAY_SERVER__LISEN", "127.0.0.1:1"),
        ("FOREBAY_SEVER__LISTEN", "127.0.0.1:1"),
        ("FOREBAY_SERVER__MAX_BATCH", "many"),
    ]);
    let problems = config::load_with(None, wrong).unwrap_err();
    let shown: Vec<String> = problems.iter().map(ConfigProblem::to_string).collect();
    assert_eq!(shown.len(), 4, "{shown:#?}");
    assert!(shown.iter().all(|line| line.starts_with("environment variable FOREBAY_")), "{shown:#?}");
    assert!(shown.iter().any(|line| line.contains("two underscores") && line.contains("FOREBAY_SERVER__LISTEN")));
    assert!(shown.iter().any(|line| line.contains("did you mean `listen`?")));

    let links = variables([
        ("FOREBAY_SERVICE_HOST", "10.0.0.1"),
        ("FOREBAY_SERVICE_PORT", "7700"),
        ("FOREBAY_SERVICE_PORT_HTTP", "7700"),
        ("FOREBAY_PORT", "tcp://10.0.0.1:7700"),
        ("FOREBAY_PORT_7700_TCP_ADDR", "10.0.0.1"),
        ("FOREBAY_ADMIN_PORT_7701_TCP", "tcp://10.0.0.1:7701"),
        ("FOREBAY_TEST_NEO4J_URI", "bolt://127.0.0.1:7687"),
    ]);
    assert_eq!(config::load_with(None, links).unwrap().config, Config::default());
}

#[test]
fn digests_come_from_files_too_and_bad_files_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    std::fs::write(at("good"), format!("{digest}  -\n")).unwrap();
    std::fs::write(at("bad"), "hunter2\n").unwrap();
    let text = |files: &[&str]| -> String {
        files
            .iter()
            .map(|file| format!("[[principals]]\nname = \"{file}\"\ntoken_sha256_file = \"{file}\"\n"))
            .collect()
    };
    std::fs::write(at("a.toml"), text(&["good"])).unwrap();
    let credentials = config::credentials(&config::load_with(Some(&at("a.toml")), []).unwrap()).unwrap();
    assert_eq!(credentials[0].digest[..2], [0x9f, 0x86]);
    assert_eq!(&*credentials[0].principal.name, "good");

    std::fs::write(at("b.toml"), text(&["good", "bad", "absent"])).unwrap();
    let problems = config::credentials(&config::load_with(Some(&at("b.toml")), []).unwrap()).unwrap_err();
    let shown: Vec<String> = problems.iter().map(ConfigProblem::to_string).collect();
    assert_eq!(problems.iter().filter_map(|problem| problem.origin.line()).collect::<Vec<_>>(), [6, 9], "{shown:#?}");
    assert!(!shown.concat().contains("hunter2"));
}

#[test]
fn a_collection_becomes_a_schema_with_sorted_names() {
    let file = root().join("tests/config/good/everything.toml");
    let loaded = config::load_with(Some(&file), []).unwrap();
    let collection = &loaded.config.collections["packages"];
    let schema = config::schema_of("packages", collection, Some("student-1".into()));
    let names: Vec<&str> = schema.attributes.iter().map(|attribute| &*attribute.name).collect();
    assert_eq!(names, ["owner", "section", "size"]);
    assert_eq!(schema.tenant_attribute, schema.attribute("owner"));
    assert_eq!(schema.vectors[usize::from(schema.vector("default").unwrap())].dimensions, 384);
    let graph = schema.graph.as_ref().unwrap();
    assert_eq!(graph.edges.iter().map(|edge| &**edge).collect::<Vec<_>>(), ["depends", "recommends"]);
    let types = config::edge_types(collection);
    assert_eq!(
        (types["DEPENDS"], types["recommends"]),
        (graph.edge("depends").unwrap(), graph.edge("recommends").unwrap())
    );
    assert_eq!(schema.embedding_version.as_deref(), Some("student-1"));
}

/// Compares a generated text with the file that holds it, or brings the file up to date.
fn assert_kept(path: &Path, expected: &str) {
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == expected, "{} is stale: run `UPDATE_GENERATED=1 cargo test --test config`", path.display());
}

#[test]
fn the_schema_in_the_documentation_is_up_to_date() {
    assert_kept(&root().join("docs/forebay.schema.json"), &config::json_schema_text());
}

#[test]
fn the_reference_in_the_documentation_is_up_to_date() {
    let page = root().join("docs/configuration.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (begin, end) = ("<!-- begin generated reference -->\n", "<!-- end generated reference -->\n");
    let (head, rest) = text.split_once(begin).expect("the page has a generated part");
    let (_, tail) = rest.split_once(end).expect("the generated part ends");
    assert_kept(&page, &format!("{head}{begin}\n{}{end}{tail}", config::reference()));
}

#[test]
fn configurations_shown_in_the_documentation_are_valid() {
    let page = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).map(|rest| rest.split_once("```").expect("a block ends").0).collect();
    assert!(!blocks.is_empty());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("forebay.toml");
    for block in blocks {
        std::fs::write(&file, block).unwrap();
        config::load_with(Some(&file), []).unwrap_or_else(|problems| panic!("{problems:#?}"));
    }
}

#[test]
fn the_reference_names_every_key() {
    let mut schema = serde_json::to_value(config::json_schema()).unwrap();
    let definitions = schema["$defs"].take();
    let reference = config::reference();
    let mut count = 0;
    for definition in definitions.as_object().unwrap().values() {
        let variants = definition["oneOf"].as_array().into_iter().flatten();
        for table in variants.chain([definition]) {
            for key in table["properties"].as_object().into_iter().flatten().map(|(key, _)| key) {
                let as_key = reference.contains(&format!("| `{key}` |"));
                assert!(
                    as_key || reference.contains(&format!(".{key}]")) || reference.contains(&format!(".{key}.")),
                    "{key}"
                );
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn examples_are_valid_by_the_gateway_and_by_the_schema() {
    let validator = jsonschema::validator_for(&serde_json::to_value(config::json_schema()).unwrap()).unwrap();
    let mut examples = files(&root().join("tests/config/good"), ".toml");
    examples.extend(files(&root().join("examples"), ".toml").into_iter().filter(|path| !path.ends_with("Cargo.toml")));
    assert!(!examples.is_empty());
    for example in examples {
        let loaded = config::load_with(Some(&example), [])
            .unwrap_or_else(|problems| panic!("{}", problems.iter().map(|p| format!("{p}\n")).collect::<String>()));
        let text = std::fs::read_to_string(&example).unwrap();
        let json: serde_json::Value =
            toml::from_str::<toml::Table>(&text).map(|table| serde_json::to_value(table).unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", example.display());
        // What is loaded and written again has no null in TOML's sense and reads as the same.
        let again: Config = serde_json::from_value(serde_json::to_value(&loaded.config).unwrap()).unwrap();
        assert_eq!(again, loaded.config);
    }
}

#[test]
fn configurations_of_the_broken_table_are_refused_by_the_schema_where_shape_is_wrong() {
    let validator = jsonschema::validator_for(&serde_json::to_value(config::json_schema()).unwrap()).unwrap();
    let shape = ["unknown-key", "missing-key", "unsupported"];
    let mut compared = 0;
    for file in files(&root().join("tests/config/broken"), ".toml") {
        let text = std::fs::read_to_string(&file).unwrap();
        let Ok(table) = toml::from_str::<toml::Table>(&text) else { continue };
        let problems = config::load_with(Some(&file), []).unwrap_err();
        let wrong = problems.iter().any(|problem| {
            shape.contains(&kind_name(problem.kind))
                && (problem.message.starts_with("the k") || problem.message.starts_with("there is no such key"))
        });
        if wrong {
            assert!(!validator.is_valid(&serde_json::to_value(table).unwrap()), "{}", file.display());
            compared += 1;
        }
    }
    assert!(compared >= 8, "{compared}");
}

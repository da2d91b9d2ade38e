//! `forebay cache`: what the tiers of a running gateway hold, and how to make it forget.

use std::io::IsTerminal as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};

use super::{
    Failure,
    client::Response,
    input,
    output::{cell, print, print_bytes, table},
    target::AdminTarget,
};

/// Look into the cache of a running gateway, or make it forget
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what every tier holds, in numbers
    Stat(Stat),
    /// Show where the answer to a query is stored
    Get(Get),
    /// Make stored answers unusable, on every gateway that shares them
    Purge(Purge),
}

#[derive(Debug, clap::Args)]
struct Stat {
    #[command(flatten)]
    target: AdminTarget,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, clap::Args)]
struct Get {
    #[command(flatten)]
    target: AdminTarget,
    /// The query: JSON, @FILE, or - for standard input
    #[arg(value_name = "QUERY")]
    query: Option<String>,
    /// Ask as a caller who is bound to this tenant
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["all", "tags"])))]
struct Purge {
    #[command(flatten)]
    target: AdminTarget,
    /// Everything
    #[arg(long)]
    all: bool,
    /// What depends on this, as Cache-Groups names it; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    #[command(flatten)]
    form: Form,
}

/// How an answer is printed.
#[derive(Debug, clap::Args)]
struct Form {
    /// Print the answer as it was sent (the default when standard output is not a terminal)
    #[arg(long, conflicts_with = "table")]
    json: bool,
    /// Print a table (the default on a terminal)
    #[arg(long)]
    table: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Stat(args) => args.form.print(&args.target.get("/v1/cache")?, statistics),
        Command::Get(args) => {
            let query = input::read(args.query.as_deref())?;
            let tenant = args.tenant.as_deref().map(|tenant| utf8_percent_encode(tenant, NON_ALPHANUMERIC));
            let path = match tenant {
                Some(tenant) => format!("/v1/cache/lookup?tenant={tenant}"),
                None => "/v1/cache/lookup".to_owned(),
            };
            args.form.print(&args.target.post(&path, query)?, found)
        }
        Command::Purge(args) => {
            let what = if args.all { json!({ "all": true }) } else { json!({ "tags": args.tags }) };
            args.form.print(&args.target.post("/v1/cache/purge", what.to_string().into())?, purged)
        }
    }
}

impl Form {
    fn print(&self, response: &Response, render: fn(&Json) -> String) -> Result<(), Failure> {
        if self.table || (!self.json && std::io::stdout().is_terminal()) {
            let body = serde_json::from_slice(&response.body)
                .map_err(|error| Failure::Other(format!("the answer is not JSON: {error}")))?;
            print(&render(&body))
        } else {
            print_bytes(&response.body)?;
            print("\n")
        }
    }
}

fn statistics(body: &Json) -> String {
    let columns = ["entries", "bytes", "queued", "written", "dropped", "failed", "evicted"];
    let mut rows = table(["tier", "state"].into_iter().chain(columns).chain(["flawed"]));
    for tier in list(&body["tiers"]) {
        let state = if tier["available"] == true { "asked" } else { "left alone" };
        let flawed: Option<u64> = tier["flaws"].as_object().map(|kinds| kinds.values().filter_map(Json::as_u64).sum());
        let cells = [shown(&tier["tier"]), state.to_owned()].into_iter();
        let cells = cells.chain(columns.iter().map(|column| shown(&tier[*column])));
        rows.add_row(cells.chain([flawed.map_or_else(nothing, |count| count.to_string())]));
    }
    let mut text = format!("{}\n", rows.trim_fmt());
    for tier in list(&body["tiers"]) {
        for (kind, count) in tier["flaws"].as_object().into_iter().flatten() {
            text.push_str(&format!("{}: {count} entries with the flaw {}\n", shown(&tier["tier"]), cell(kind)));
        }
    }
    let epochs = &body["epochs"];
    if epochs.is_null() {
        text.push_str("epochs: this gateway shares none\n");
        return text;
    }
    let state = if epochs["leased"] == true { "every purge is known" } else { "purges may have been missed" };
    let contact = epochs["last_contact_ms"].as_u64();
    let contact = contact.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms ago"));
    text.push_str(&format!("epochs: {state}; last contact {contact}"));
    for (name, key) in [("waiting to be counted", "pending"), ("gaps", "gaps"), ("tables taken over", "adoptions")] {
        text.push_str(&format!("; {name}: {}", shown(&epochs[key])));
    }
    text.push('\n');
    text
}

fn found(body: &Json) -> String {
    let mut rows = table(["tier", "outcome", "age", "ttl", "bytes", "cost", "groups"]);
    let time = |value: &Json| value.as_f64().map_or_else(nothing, |ms| format!("{:.3} s", ms / 1e3));
    for tier in list(&body["tiers"]) {
        let entry = &tier["entry"];
        let cost = entry["cost_ms"].as_f64().map_or_else(nothing, |ms| format!("{ms:.1} ms"));
        let groups: Vec<&str> = list(&entry["groups"]).iter().filter_map(Json::as_str).collect();
        let groups = if groups.is_empty() { nothing() } else { cell(&groups.join(", ")) };
        let (age, ttl, bytes) = (time(&entry["age_ms"]), time(&entry["ttl_ms"]), shown(&entry["bytes"]));
        rows.add_row([shown(&tier["tier"]), shown(&tier["outcome"]), age, ttl, bytes, cost, groups]);
    }
    let key: String = body["key"].as_str().unwrap_or_default().chars().filter(char::is_ascii_hexdigit).collect();
    format!("{}\nkey {key}\n", rows.trim_fmt())
}

fn purged(body: &Json) -> String {
    let count = |key: &str, what: &str| match body[key].as_u64() {
        Some(1) => format!("1 {what}"),
        count => format!("{} {what}s", count.map_or_else(nothing, |count| count.to_string())),
    };
    let [moved, confirmed] = [count("bumped", "epoch"), count("confirmed", "gateway")];
    let lapsed = count("lapsed", "lease");
    format!("{moved} moved; {confirmed} confirmed, {lapsed} lapsed; {} ms\n", shown(&body["waited_ms"]))
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn nothing() -> String {
    "–".into()
}

fn shown(value: &Json) -> String {
    match value {
        Json::Null => nothing(),
        Json::String(text) => cell(text),
        other => cell(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_a_table() {
        let body = json!({
            "tiers": [
                { "tier": "forebay-l1", "available": true, "entries": 2, "bytes": 300, "max_bytes": 1000 },
                {
                    "tier": "forebay-l2", "available": false, "entries": null, "bytes": null, "queued": 1,
                    "written": 20, "dropped": 3, "failed": 4, "evicted": 0, "flaws": { "checksum": 5 },
                },
            ],
            "epochs": { "leased": false, "last_contact_ms": 5300, "pending": 2, "gaps": 1, "adoptions": 7 },
        });
        insta::assert_snapshot!(statistics(&body), @r"
         tier         state        entries   bytes   queued   written   dropped   failed   evicted   flawed
        ────────────────────────────────────────────────────────────────────────────────────────────────────
         forebay-l1   asked        2         300     –        –         –         –        –         –
         forebay-l2   left alone   –         –       1        20        3         4        0         5
        forebay-l2: 5 entries with the flaw checksum
        epochs: purges may have been missed; last contact 5300 ms ago; waiting to be counted: 2; gaps: 1; tables taken over: 7
        ");
        let alone = statistics(&json!({ "tiers": [], "epochs": null }));
        assert!(alone.ends_with("epochs: this gateway shares none\n"), "{alone}");
    }

    #[test]
    fn where_an_answer_is_reads_as_a_table() {
        let body = json!({
            "key": "00ff\u{1b}[31m",
            "tiers": [
                { "tier": "forebay-l1", "outcome": "miss", "entry": null },
                {
                    "tier": "forebay-l2", "outcome": "hit",
                    "entry": {
                        "age_ms": 61_500, "ttl_ms": 3_538_500, "bytes": 2048, "cost_ms": 12.345,
                        "groups": ["packages", "packages;id=gimp"],
                    },
                },
            ],
        });
        insta::assert_snapshot!(found(&body), @r"
         tier         outcome   age        ttl          bytes   cost      groups
        ─────────────────────────────────────────────────────────────────────────────────────────────
         forebay-l1   miss      –          –            –       –         –
         forebay-l2   hit       61.500 s   3538.500 s   2048    12.3 ms   packages, packages;id=gimp
        key 00ff31
        ");
    }

    #[test]
    fn a_purge_reads_as_a_sentence() {
        let body = json!({ "bumped": 2, "confirmed": 3, "lapsed": 0, "waited_ms": 41 });
        assert_eq!(purged(&body), "2 epochs moved; 3 gateways confirmed, 0 leases lapsed; 41 ms\n");
    }
}

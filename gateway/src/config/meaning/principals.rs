//! Who may ask.

use std::collections::HashMap;

use super::Checker;
use crate::config::{PrincipalConfig, path::KeyPath, problem::ProblemKind};

pub(super) fn check(checker: &mut Checker<'_>) {
    let mut names: HashMap<&str, usize> = HashMap::new();
    let mut digests: HashMap<String, &str> = HashMap::new();
    for (index, principal) in checker.config.principals.iter().enumerate() {
        let path = KeyPath::of(["principals"]).index(index);
        check_token(checker, principal, &path);
        check_reach(checker, principal, &path);
        if principal.name.is_empty() {
            checker.value(ProblemKind::WrongValue, path.key("name"), "a principal needs a name");
        } else if let Some(first) = names.insert(&principal.name, index) {
            let message = format!("principals[{first}] has the name `{}` too", principal.name);
            checker.value(ProblemKind::Contradiction, path.key("name"), message);
        }
        if let Some(digest) = &principal.token_sha256
            && let Some(first) = digests.insert(digest.to_lowercase(), &principal.name)
        {
            let message = format!("the principal `{first}` has this token too");
            checker.value(ProblemKind::Contradiction, path.key("token_sha256"), message);
        }
    }
}

fn check_token(checker: &mut Checker<'_>, principal: &PrincipalConfig, path: &KeyPath) {
    let inline = principal.token_sha256.is_some() || checker.locations.contains(&path.key("token_sha256"));
    let file = principal.token_sha256_file.is_some() || checker.locations.contains(&path.key("token_sha256_file"));
    match (inline, file) {
        (false, false) => {
            let message = "the token's digest is missing: give token_sha256 or token_sha256_file";
            let problem = checker.key(ProblemKind::MissingKey, path.clone(), message);
            problem.suggestion = Some("printf %s \"$TOKEN\" | sha256sum".into());
        }
        (true, true) => {
            let message = "token_sha256 is given too; which of the two counts would be a guess";
            checker.key(ProblemKind::Contradiction, path.key("token_sha256_file"), message);
        }
        (true, false) | (false, true) => {}
    }
}

fn check_reach(checker: &mut Checker<'_>, principal: &PrincipalConfig, path: &KeyPath) {
    let config = checker.config;
    if principal.tenant.as_deref() == Some("") {
        checker.value(ProblemKind::WrongValue, path.key("tenant"), "a tenant needs a name; leave the key out for none");
    }
    if let Some(allowed) = &principal.collections {
        let table = KeyPath::of(["collections"]);
        for (index, name) in allowed.iter().enumerate() {
            let names = config.collections.keys().map(String::as_str);
            checker.known("collection", name, &table, names, path.key("collections").index(index));
        }
    }
}

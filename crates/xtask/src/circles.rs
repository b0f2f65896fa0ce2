//! Modules that import each other in a circle are one module in several files: whoever reads one has to read
//! all. A test finds circles by the paths that files name. What a module and those below it say of each other is
//! no circle: that is what nesting is for.

#[cfg(test)]
mod tests {
    use crate::place::Place;
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;

    type Graph = BTreeMap<String, BTreeSet<String>>;

    /// Circles that stay: of which crate, all of their modules, and why.
    const STAYS: &[(&str, &[&str], &str)] = &[
        (
            "store",
            &["entity::open_transfer", "entity::outcome", "entity::transfer"],
            "tables that name each other, as their relations are written",
        ),
        (
            "simulation",
            &[
                "bridge",
                "callers",
                "host",
                "operators",
                "run",
                "standing",
                "trouble",
                "watch",
                "words",
            ],
            "one world, of which each file moves one kind of inhabitant",
        ),
    ];

    /// The folders of `link`, each built on those before it alone.
    const OF_LINK: [&str; 6] = ["request", "session", "io", "inbound", "reconnect", "report"];

    /// The path of a file's module below its crate: empty for the root.
    fn module_of(file: &Path, sources: &Path) -> Vec<String> {
        let below = file.strip_prefix(sources).expect("below the sources").with_extension("");
        let mut path: Vec<String> =
            below.iter().map(|part| part.to_str().expect("a name").to_owned()).collect();
        if path.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            path.pop();
        }
        path
    }

    /// A file without its comments and without the tests at its end.
    fn code_of(file: &Path) -> String {
        let text = fs::read_to_string(file).expect("a text");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        code.lines().filter(is_code).map(|line| line.to_owned() + "\n").collect()
    }

    fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                all.extend(files_below(&path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push(path);
            }
        }
        all
    }

    /// Every path that a `use` names, without braces.
    fn flat(prefix: &str, tree: &str, into: &mut Vec<String>) {
        let (mut depth, mut from) = (0, 0);
        for (at, byte) in tree.bytes().chain([b',']).enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b',' if depth == 0 => {
                    let one = tree[from..at].trim();
                    from = at + 1;
                    match one.split_once('{') {
                        Some((head, rest)) => {
                            let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
                            flat(&format!("{prefix}{}", head.trim()), inner, into);
                        }
                        None if one.is_empty() => {}
                        None => {
                            let path = one.split(" as ").next().unwrap_or(one);
                            into.push(format!("{prefix}{path}"));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// The paths that a file names: those of its imports, and those from the crate's root or from the module
    /// above in its text.
    fn paths_in(code: &str) -> Vec<String> {
        let mut paths = Vec::new();
        let mut rest = code;
        while let Some(at) = rest.find("use ") {
            let is_word = rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            rest = &rest[at + 4..];
            if let (false, Some(end)) = (is_word, rest.find(';')) {
                let tree = rest[..end].split_whitespace().collect::<Vec<_>>().join(" ");
                flat("", &tree, &mut paths);
            }
        }
        for root in ["crate::", "super::"] {
            for (at, _) in code.match_indices(root) {
                let path = code[at..]
                    .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                    .next()
                    .unwrap_or_default();
                paths.push(path.trim_end_matches(':').to_owned());
            }
        }
        paths
    }

    /// The names that a file passes on from another module, each with the path to it.
    fn passed_on(code: &str) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (at, _) in code.match_indices("use ") {
            let line = code[..at].rsplit('\n').next().unwrap_or_default().trim();
            if !line.starts_with("pub") {
                continue;
            }
            let Some(end) = code[at..].find(';') else { continue };
            let tree = code[at + 4..at + end].split_whitespace().collect::<Vec<_>>().join(" ");
            let mut paths = Vec::new();
            flat("", &tree, &mut paths);
            all.extend(paths.into_iter().filter_map(|path| {
                let name = path.rsplit("::").next()?.to_owned();
                Some((name, path))
            }));
        }
        all
    }

    /// The module that a path leads to, seen from another one.
    fn target(path: &str, from: &[String], modules: &BTreeSet<String>) -> Option<String> {
        leads_to(path, from, modules).map(|(module, _)| module)
    }

    /// The same, and the name that is wanted of it.
    fn leads_to(
        path: &str,
        from: &[String],
        modules: &BTreeSet<String>,
    ) -> Option<(String, Option<String>)> {
        let mut parts: Vec<&str> = path.split("::").collect();
        let mut base: Vec<&str> = from.iter().map(String::as_str).collect();
        match parts[0] {
            "crate" => {
                base.clear();
                parts.remove(0);
            }
            "super" => {
                while parts.first() == Some(&"super") {
                    base.pop()?;
                    parts.remove(0);
                }
            }
            "self" => drop(parts.remove(0)),
            first => {
                let below = base.iter().copied().chain([first]).collect::<Vec<_>>().join("::");
                if !modules.contains(&below) {
                    return None;
                }
            }
        }
        base.extend(parts);
        let (length, module) = (0..=base.len())
            .rev()
            .map(|length| (length, base[..length].join("::")))
            .find(|(_, module)| modules.contains(module))?;
        Some((module, base.get(length).map(|name| (*name).to_owned())))
    }

    /// Follows a name through the modules that pass it on, to the one in which it stands.
    fn stands_in(
        (mut module, name): (String, Option<String>),
        passed: &BTreeMap<String, Vec<(String, String)>>,
        modules: &BTreeSet<String>,
    ) -> String {
        let Some(name) = name else { return module };
        // As often as there are modules, at most: what is passed round in a ring stands nowhere.
        for _ in 0..modules.len() {
            let list = passed.get(&module);
            let path = list.and_then(|list| list.iter().find(|(it, _)| *it == name));
            let from: Vec<String> = module.split("::").map(str::to_owned).collect();
            let from = if module.is_empty() { Vec::new() } else { from };
            match path.and_then(|(_, path)| target(path, &from, modules)) {
                Some(next) if next != module => module = next,
                Some(_) | None => break,
            }
        }
        module
    }

    fn graph_of(sources: &Path) -> Graph {
        let is_tested = |path: &[String]| {
            path.iter().any(|part| ["tests", "testing", "bin"].contains(&part.as_str()))
        };
        let files = files_below(sources);
        let modules: BTreeMap<Vec<String>, _> = files
            .iter()
            .map(|file| (module_of(file, sources), file))
            .filter(|(path, _)| !is_tested(path))
            .collect();
        let names: BTreeSet<String> = modules.keys().map(|path| path.join("::")).collect();
        let passed: BTreeMap<String, Vec<(String, String)>> = modules
            .iter()
            .map(|(path, file)| (path.join("::"), passed_on(&code_of(file))))
            .collect();
        let mut graph = Graph::new();
        for (path, file) in &modules {
            let name = path.join("::");
            let nested = |other: &String| {
                let below = |one: &str, other: &str| {
                    one.is_empty() || other.strip_prefix(one).is_some_and(|it| it.starts_with("::"))
                };
                *other == name || below(&name, other) || below(other, &name)
            };
            let found = paths_in(&code_of(file)).into_iter();
            let found = found.filter_map(|one| leads_to(&one, path, &names));
            let found = found.map(|one| stands_in(one, &passed, &names));
            graph.insert(name.clone(), found.filter(|other| !nested(other)).collect());
        }
        graph
    }

    fn reached_from<'g>(graph: &'g Graph, start: &str) -> BTreeSet<&'g str> {
        let (mut reached, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(one) = open.pop() {
            for next in graph.get(one).into_iter().flatten() {
                if reached.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        reached
    }

    fn sources_of_each_crate() -> Vec<(String, std::path::PathBuf)> {
        let folder = Place::find().expect("a workspace").root.join("crates");
        let mut all: Vec<_> = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry"))
            .map(|entry| {
                (entry.file_name().to_string_lossy().into_owned(), entry.path().join("src"))
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn modules_do_not_import_each_other_in_a_circle() {
        let mut found = BTreeSet::new();
        for (name, sources) in sources_of_each_crate() {
            let graph = graph_of(&sources);
            assert!(!graph.is_empty(), "{name} has modules");
            for module in graph.keys() {
                let reached = reached_from(&graph, module);
                if !reached.contains(module.as_str()) {
                    continue;
                }
                let back = |other: &&&str| reached_from(&graph, other).contains(module.as_str());
                let circle = reached.iter().filter(back).map(|it| (*it).to_owned()).collect();
                found.insert((name.clone(), circle));
            }
        }
        let stays: BTreeSet<(String, BTreeSet<String>)> = STAYS
            .iter()
            .map(|(of, all, _)| ((*of).to_owned(), all.iter().map(|it| (*it).to_owned()).collect()))
            .collect();
        assert_eq!(found, stays, "circles that there are, and those that may stay");
    }

    #[test]
    fn folders_of_links_are_built_on_those_before_them_alone() {
        let root = Place::find().expect("a workspace").root.join("crates/link/src");
        let graph = graph_of(&root);
        let folder = |module: &str| {
            OF_LINK.iter().position(|it| module.split("::").next().is_some_and(|head| head == *it))
        };
        for (module, named) in &graph {
            let Some(at) = folder(module) else { continue };
            for other in named {
                let is_before = match folder(other) {
                    Some(before) => before <= at,
                    // Shared by all: how long things may take.
                    None => other == "timers",
                };
                assert!(is_before, "{module} imports {other}");
            }
        }
    }

    #[test]
    fn imports_are_read_as_they_are_written() {
        let code = "use crate::a::{b, c::{D, e as f}};\npub(crate) use super::g;\nlet x = crate::h::i();\n";
        let paths = paths_in(code);
        for path in ["crate::a::b", "crate::a::c::D", "crate::a::c::e", "super::g", "crate::h::i"] {
            assert!(paths.iter().any(|it| it == path), "{path}: {paths:?}");
        }
        let modules: BTreeSet<String> = ["", "a", "a::c", "h"].map(str::to_owned).into();
        let from = ["a".to_owned(), "c".to_owned()];
        assert_eq!(target("crate::a::c::D", &[], &modules).as_deref(), Some("a::c"));
        assert_eq!(target("super::g", &from, &modules).as_deref(), Some("a"));
        assert_eq!(target("std::fmt", &from, &modules), None);
        assert_eq!(target("c::D", &from[..1], &modules).as_deref(), Some("a::c"));
    }
}

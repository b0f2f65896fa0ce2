//! Alert rules, the example of a scrape and the dashboard of `deploy`: whether Prometheus's own tool takes them, and
//! whether each rule fires when it is to. That they name metrics that there are is tested beside the metrics.

use crate::place::Place;
use crate::steps::run;
use crate::tools;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Below the root.
const RULES: &str = "deploy/prometheus/alerts.yml";
const TESTS: &str = "deploy/prometheus/alerts_test.yml";
const SCRAPE: &str = "deploy/prometheus/prometheus.yml";
const DASHBOARD: &str = "deploy/grafana/counter-bridge.json";

/// What Grafana puts in before it asks, and something that may stand there.
const PUT_IN: [(&str, &str); 3] = [("$__rate_interval", "5m"), ("$job", ".*"), ("$instance", ".*")];

/// `cargo xtask monitoring`.
pub(crate) fn monitoring() -> Result<()> {
    tools::provide(&[tools::FOR_MONITORING])?;
    check(&Place::find()?)
}

/// Checks all of it.
pub(crate) fn check(place: &Place) -> Result<()> {
    let program = tools::find(tools::PROMTOOL).context("no promtool")?;
    let promtool = || {
        let mut promtool = Command::new(&program);
        promtool.current_dir(&place.root);
        promtool
    };
    run(promtool().args(["check", "rules", "--lint=all", "--lint-fatal", RULES]))?;
    run(promtool().args(["test", "rules", TESTS]))?;
    // Its files are where it runs: here they are not.
    run(promtool().args(["check", "config", "--syntax-only", SCRAPE]))?;
    let folder = place.target.join("tmp");
    fs::create_dir_all(&folder)
        .with_context(|| format!("{} could not be made", folder.display()))?;
    let file = folder.join(format!("dashboard-{}.yml", std::process::id()));
    let rules = as_rules(&dashboard(&place.root)?)?;
    fs::write(&file, rules.to_string())
        .with_context(|| format!("{} could not be written", file.display()))?;
    let checked = run(promtool().args(["check", "rules"]).arg(&file));
    let _ = fs::remove_file(&file);
    checked.with_context(|| format!("what {DASHBOARD} asks"))
}

fn dashboard(root: &Path) -> Result<Value> {
    let text = fs::read_to_string(root.join(DASHBOARD))
        .with_context(|| format!("{DASHBOARD} could not be read"))?;
    serde_json::from_str(&text).with_context(|| format!("{DASHBOARD} is not JSON"))
}

/// All that a dashboard asks: the panel, the question's name in it, and the question.
fn questions(dashboard: &Value) -> Vec<(i64, String, String)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut questions = Vec::new();
    for panel in list(&dashboard["panels"]) {
        for target in list(&panel["targets"]) {
            let text = |name: &str| target[name].as_str().unwrap_or_default().to_owned();
            questions.push((panel["id"].as_i64().unwrap_or(0), text("refId"), text("expr")));
        }
    }
    questions
}

/// The questions as rules, for a tool that parses these; JSON is YAML.
fn as_rules(dashboard: &Value) -> Result<Value> {
    let rules = questions(dashboard).into_iter().map(|(panel, name, question)| {
        let put_in = PUT_IN.iter().fold(question, |text, (what, by)| text.replace(what, by));
        ensure!(!put_in.contains('$'), "panel {panel}, {name}: an unknown variable in {put_in}");
        Ok(json!({ "record": format!("panel_{panel}:{}", name.to_lowercase()), "expr": put_in }))
    });
    let rules = rules.collect::<Result<Vec<Value>>>()?;
    Ok(json!({ "groups": [{ "name": "dashboard", "rules": rules }] }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn root() -> std::path::PathBuf {
        Place::find().expect("a workspace").root
    }

    /// The rules, one by one: the name, and its text.
    fn alerts(text: &str) -> Vec<(&str, &str)> {
        let alerts = text.split("\n      - alert: ").skip(1);
        alerts.map(|alert| alert.split_once('\n').expect("more than a name")).collect()
    }

    /// As GitHub makes them of headings.
    fn anchors(text: &str) -> BTreeSet<String> {
        let headings = text.lines().filter(|line| line.starts_with('#'));
        let kept = |c: char| c.is_alphanumeric() || c == ' ' || c == '-';
        headings
            .map(|line| line.trim_start_matches('#').trim().to_lowercase())
            .map(|line| line.chars().filter(|c| kept(*c)).collect::<String>().replace(' ', "-"))
            .collect()
    }

    #[test]
    fn every_alert_says_what_it_means_what_to_do_and_where_more_stands() {
        let text = fs::read_to_string(root().join(RULES)).expect("the rules");
        let operating = fs::read_to_string(root().join("docs/operating.md")).expect("a document");
        let anchors = anchors(&operating);
        let alerts = alerts(&text);
        assert!(alerts.len() > 20, "{}", alerts.len());
        for (name, alert) in alerts {
            assert!(name.starts_with("CounterBridge"), "{name}");
            let said = |key: &str| {
                let at = alert.find(&format!("\n          {key}: "));
                let at = at.unwrap_or_else(|| panic!("{name}: no {key}"));
                alert[at..].trim_start().split_once(": ").expect("a value").1
            };
            let line = |key: &str| said(key).lines().next().unwrap_or_default();
            assert!(["critical", "warning"].contains(&line("severity")), "{name}");
            assert!(line("summary").len() > 20, "{name}: {}", line("summary"));
            // What it means, and then what to do.
            let described = said("description").split("\n          runbook").next();
            let sentences = described.unwrap_or_default().matches(['.', '?']).count();
            assert!(sentences >= 2, "{name}: {described:?}");
            let anchor = line("runbook").strip_prefix("docs/operating.md#");
            assert!(anchor.is_some_and(|it| anchors.contains(it)), "{name}: {}", line("runbook"));
        }
    }

    /// One that is tried nowhere may never fire.
    #[test]
    fn every_alert_fires_in_a_test() {
        let read = |file: &str| fs::read_to_string(root().join(file)).expect(file);
        let (rules, tests) = (read(RULES), read(TESTS));
        for (name, alert) in alerts(&rules) {
            let severity =
                if alert.contains("severity: critical") { "critical" } else { "warning" };
            let fires = format!("alertname=\"{name}\", severity=\"{severity}\"");
            assert!(tests.contains(&fires), "{name}");
        }
        assert!(tests.contains("exp_samples: []"), "and none does while nothing is wrong");
    }

    #[test]
    fn the_dashboard_is_whole() {
        let dashboard = dashboard(&root()).expect("it is there");
        let panels = dashboard["panels"].as_array().expect("panels");
        let ids: BTreeSet<i64> = panels.iter().filter_map(|panel| panel["id"].as_i64()).collect();
        assert_eq!(ids.len(), panels.len(), "each its own id");
        let rows: Vec<&str> = panels
            .iter()
            .filter(|panel| panel["type"] == "row")
            .filter_map(|panel| panel["title"].as_str())
            .collect();
        assert_eq!(
            rows,
            [
                "Needs a person",
                "Connections",
                "Transfers",
                "Journal and database",
                "Strangers, and the bridge itself"
            ]
        );
        // Whoever imports it says where Prometheus is; nothing of another's Grafana is in it.
        let variables = dashboard["templating"]["list"].as_array().expect("variables");
        assert_eq!(variables[0]["type"], "datasource");
        let mut taken = BTreeSet::new();
        for panel in panels {
            let at = &panel["gridPos"];
            let number = |name: &str| at[name].as_i64().expect("a number");
            assert!(number("x") + number("w") <= 24, "{panel}: beyond the edge");
            for x in number("x")..number("x") + number("w") {
                for y in number("y")..number("y") + number("h") {
                    assert!(taken.insert((x, y)), "{}: over another", panel["title"]);
                }
            }
            if panel["type"] == "row" {
                continue;
            }
            let said = panel["description"].as_str().unwrap_or_default();
            assert!(said.ends_with('.'), "{}: what it shows", panel["title"]);
            let targets = panel["targets"].as_array().expect("questions");
            let names: BTreeSet<&str> =
                targets.iter().filter_map(|target| target["refId"].as_str()).collect();
            assert!(!targets.is_empty() && names.len() == targets.len(), "{}", panel["title"]);
            for asks in targets.iter().chain([panel]) {
                assert_eq!(asks["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
            }
        }
        let all = questions(&dashboard);
        assert!(all.len() > 25, "{}", all.len());
        for (panel, name, question) in &all {
            assert!(question.contains("counter_bridge_"), "{panel} {name}: {question}");
            let chosen = question.matches("instance=~\"$instance\"").count();
            let asked = question.matches("counter_bridge_").count();
            assert_eq!(chosen, asked, "{panel} {name}: of the bridges that are chosen");
        }
        let rules = as_rules(&dashboard).expect("every variable is known");
        assert_eq!(rules["groups"][0]["rules"].as_array().map(Vec::len), Some(all.len()));
    }

    #[test]
    fn a_question_with_an_unknown_variable_is_noticed() {
        let panel = |expr: &str| json!({ "panels": [{ "id": 7, "targets": [{ "refId": "A", "expr": expr }] }] });
        let rules = as_rules(&panel("rate(a[$__rate_interval])")).expect("it is known");
        let rule = &rules["groups"][0]["rules"][0];
        assert_eq!((&rule["record"], &rule["expr"]), (&json!("panel_7:a"), &json!("rate(a[5m])")));
        let error = as_rules(&panel("a{b=\"$c\"}")).expect_err("it is unknown");
        assert!(error.to_string().contains("panel 7, A: an unknown variable"), "{error}");
    }
}

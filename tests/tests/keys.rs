//! Which box a room has, decided at the province for real boxes: approved in advance from a list, revoked from an entry
//! on, approved again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use anyhow::{Context as _, Result, ensure};
use bridgepoint_tests::rig::room::{Province, ROOM, refused, runs, waiting};
use serde_json::{Value, json};

#[test]
fn a_box_of_a_list_is_trusted_when_it_asks_and_no_other_one_is() -> Result<()> {
    let province = Province::new()?;
    province.agent.run(&["key", "init"])?;
    let list = province.dir.path().join("boxes.csv");
    let fingerprint = province.agent.fingerprint()?;
    // As Excel writes it where the comma is for decimals.
    let text = format!("\u{feff}org;room;fingerprint\r\nquang-ninh;bai-chay;{fingerprint}\r\n");
    std::fs::write(&list, text)?;
    let list = list.to_str().context("a path")?;
    let imported = province.hub.run(&["room", "import", list, "--lang", "en"])?;
    ensure!(imported.code == 0, "{}{}", imported.stdout, imported.stderr);

    // A stranger asks first.
    let stranger = province.another("stranger", "bai-chay")?;
    stranger.run(&["enrol"])?;
    let asked = province.agent.run(&["enrol", "--lang", "en"])?;
    assert_eq!(asked.code, 0, "{}", asked.stderr);
    let room = province.hub_has("the box of the list", |room| room["enrolment"] == "approved")?;
    assert_eq!(room["fingerprint"], fingerprint.as_str());
    assert_eq!(room["challengers"], json!([stranger.fingerprint()?]));
    let check = province.agent.check(&[])?;
    stranger.check(&[])?;
    let room = province.hub_has("the run", |room| !runs(room).is_empty())?;
    assert_eq!(runs(&room), std::slice::from_ref(&check.report.run));
    assert_eq!((waiting(&province.agent)?, waiting(&stranger)?), (0, 1));

    let listed = province.hub.run(&["room", "list", "--json"])?;
    let listed: Value = serde_json::from_str(&listed.stdout)?;
    assert_eq!(listed["expected"], json!([]), "nobody is expected any more");
    let again = province.hub.run(&["room", "import", list, "--lang", "en"])?;
    assert!(again.stdout.contains("1 rows change nothing"), "{}", again.stdout);
    // A list that names the stranger takes the room from nobody.
    let text = format!(
        "org,room,fingerprint\nquang-ninh,bai-chay,{}\n",
        stranger.fingerprint()?
    );
    std::fs::write(list, text)?;
    let refused = province.hub.run(&["room", "import", list, "--lang", "en"])?;
    assert!(
        refused.code == 1
            && refused
                .stderr
                .contains("boxes.csv, line 2: quang-ninh/bai-chay has another"),
        "{}",
        refused.stderr
    );
    Ok(())
}

#[test]
fn a_box_is_revoked_from_an_entry_on_and_approved_again() -> Result<()> {
    let province = Province::approved()?;
    let first = province.agent.check(&[])?;
    let second = province.agent.check(&[])?;
    let room = province.hub_has("both runs", |room| runs(room).len() == 2)?;
    assert_eq!(room["result"]["run"], second.report.run.as_str());
    let newest = room["chain"]["last"].as_u64().context("the newest entry")?;
    let from = newest.to_string();
    let revoked = province
        .hub
        .run(&["room", "revoke", ROOM, "--from", &from, "--yes", "--lang", "en"])?;
    ensure!(
        revoked.code == 0
            && revoked
                .stdout
                .contains(&format!("revoked from entry {newest} on")),
        "{}{}",
        revoked.stdout,
        revoked.stderr
    );
    let room = province.hub_has("the revocation", |room| room["enrolment"] == "revoked")?;
    assert_eq!(
        room["result"]["run"],
        first.report.run.as_str(),
        "the second counts no more"
    );
    assert_eq!(runs(&room).len(), 2, "and is kept");
    let third = province.agent.check(&[])?;
    assert_eq!(waiting(&province.agent)?, 1, "nothing beyond is receipted");

    let approved = province.hub.run(&[
        "room",
        "approve",
        ROOM,
        "--fingerprint",
        &province.agent.fingerprint()?,
    ])?;
    ensure!(approved.code == 0, "{}", approved.stderr);
    // It hears of it as after the first approval, and delivers what it has kept.
    province.agent.run(&["enrol"])?;
    province.agent.check(&[])?;
    let room = province.hub_has("everything", |room| runs(room).len() == 4)?;
    assert_eq!((refused(&room, "fork"), waiting(&province.agent)?), (0, 0));
    assert!(runs(&room).contains(&third.report.run));
    assert_eq!(room["keys"][0]["to"], Value::Null);
    Ok(())
}

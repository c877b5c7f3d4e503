//! What checks settings and rules, and what writes a start of them.

use super::*;

#[test]
fn the_edge_is_checked_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let good = file(
        "edge.toml",
        "[[rules]]\npath = \"/press/*\"\nallow = [\"token\", \"signed-url\"]\n\
         [[rules]]\npath = \"/*\"\nallow = [\"public\"]\n[token]\ncookie = \"access\"\n\
         [origins.transformer]\nservice = \"lambda\"\ndomain = \"abc.lambda-url.eu-west-1.on.aws\"\nregion = \"eu-west-1\"\n",
    );
    let secret = "a secret for signing urls, 32 bytes or more";
    let keys = file(
        "keys.json",
        &format!(
            r#"{{"tokens": [{{"name": "s", "secret": "correct horse battery staple"}}], "url_secrets": [{{"name": "a", "secret": "{secret}"}}]}}"#
        ),
    );
    let signed = run(&["sign", "--keys", &keys, "--expires-in", "7d", "https://img.example/press/a b.jpg?width=0300"]);
    let signed = text(&signed.stdout);
    assert!(signed.starts_with("https://img.example/press/a%20b.jpg?w=300&expires="), "{signed}");
    let table: [(&[&str], &[&str]); 6] = [
        (
            &["https://img.example/a.jpg?width=0300&fit=inside"],
            &[
                "rules[1] `/*`",
                "forwarded as /a.jpg?w=300",
                "abc.lambda-url",
                "is `public, max-age=2592000` for CloudFront",
            ],
        ),
        (&["/press/a.jpg"], &["rules[0] `/press/*` denies it: no credentials", "response is 401", "with access"]),
        (&["/press/a.jpg", "-H", "cookie: access=correct horse battery staple"], &["by token: the token is `s`"]),
        (&[signed.trim()], &["by signed-url: the URL is signed with `a`", "/press/a%20b.jpg?w=300"]),
        (&["/a.jpg?wdith=3&utm=1"], &["ignored: wdith (did you mean width?), utm"]),
        (&["//press/a.jpg"], &["readings of this path match different rules", "response is 400"]),
    ];
    for (arguments, expected) in table {
        let output = run(&[&["edge", "check", &good, "--keys", &keys], arguments].concat());
        let shown = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        for part in expected {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }
    let compiled: serde_json::Value = serde_json::from_slice(&run(&["edge", "compile", &good]).stdout).unwrap();
    assert_eq!(compiled["rules"][1]["path"], "/*");
    let bad = file(
        "bad.toml",
        "rules = [{ path = \"x\", allow = [] }]\n[origins.transformer]\nservice = \"none\"\ndomain = \"a\"\n",
    );
    let output = run(&["edge", "check", &bad]);
    assert!(!output.status.success());
    let message = text(&output.stderr);
    assert!(message.contains("bad.toml: rules[0].allow") && message.contains("rules[0].path"), "{message}");
    let table: [(&[&str], &str); 5] = [
        (&["/a.jpg?wdith=300"], "/a.jpg?wdith=300: unknown parameter `wdith`; did you mean `width`?"),
        (&["/a.jpg?w=0"], "invalid value 0 for `w`"),
        (&["/a.jpg?utm_source=x"], "unknown parameter `utm_source`"),
        (&["https://x.example/../a.jpg"], "the path contains dot segments"),
        (&["/x/%2e%2E/a.jpg"], "the path contains dot segments"),
    ];
    for (arguments, expected) in table {
        let output = run(&[&["sign", "--keys", &keys], arguments].concat());
        let message = text(&output.stderr);
        assert!(output.stdout.is_empty() && message.contains(expected), "{arguments:?}: {message}");
        assert_eq!(output.status.code(), Some(2));
    }
    // The preset is the origin's to know, and other keys need not be good.
    let poor = file(
        "poor.json",
        &format!(r#"{{"url_secrets": [{{"name": "a", "secret": "{secret}"}}], "jwks": {{"x": {{"keys": []}}}}}}"#),
    );
    let preset = text(&run(&["sign", "--keys", &poor, "/a.jpg?preset=card&w=3"]).stdout);
    assert!(preset.starts_with("/a.jpg?preset=card&w=3&expires="), "{preset}");
    for refused in [
        &["sign", "/a.jpg"][..],
        &["sign", "--keys", &keys, "--secret", "b", "/a.jpg"],
        &["sign", "--keys", &keys, "a.jpg"],
    ] {
        assert!(!run(refused).status.success(), "{refused:?}");
    }
}

#[test]
fn examples_and_the_documentations_configurations_are_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let block = |page: &str, start: &str, index: usize| {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        text.split(start).nth(index).unwrap().split("```").next().unwrap().to_owned()
    };
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let example = |name: &str| root.join(name).display().to_string();
    let (rules, keys) = (example("examples/edge.toml"), example("examples/keys.json"));
    let documented = block("docs/auth.md", "```toml\n", 1);
    assert!(std::fs::read_to_string(&rules).unwrap().ends_with(&documented), "docs/auth.md shows examples/edge.toml");
    let documented_keys = block("docs/edge.md", "```json\n", 1);
    assert_eq!(std::fs::read_to_string(&keys).unwrap(), documented_keys);
    let tokens = file("tokens.json", &block("docs/auth.md", "```json\n", 1));
    let edge = file("edge.toml", &block("docs/edge.md", "```toml\n", 1));
    let press = file("press.toml", "[[rules]]\npath = \"/*\"\nallow = [\"token\"]\n");
    let token = ["-H", "authorization: Bearer correct horse battery staple"];
    let table: [(&[&str], &str); 6] = [
        (&[&rules, "--keys", &keys, "/press/a.jpg", token[0], token[1]], "the token is `2026-autumn`"),
        (&[&rules, "--keys", &keys, "/users/alice/a.jpg"], "the response is 401"),
        (&[&rules, "/a.jpg"], "no rule matches this path"),
        (&[&edge, "/press/a.jpg?width=0300&fit=inside"], "forwarded as /press/a.jpg?w=300"),
        (&[&press, "--keys", &tokens, "/a.jpg", token[0], token[1]], "the token is `2026-autumn`"),
        (&[&example("infra/cdk/examples/public.toml"), "/a.jpg?w=3"], "no [origins] in the file"),
    ];
    for (arguments, expected) in table {
        let output = run(&[&["edge", "check"], arguments].concat());
        let shown = text(&output.stdout);
        assert!(output.status.success() && shown.contains(expected), "{arguments:?}: {shown}{}", text(&output.stderr));
    }
    let signed = text(&run(&["sign", "--keys", &keys, "/press/a.jpg?w=300"]).stdout);
    let checked = text(&run(&["edge", "check", &rules, "--keys", &keys, signed.trim()]).stdout);
    assert!(checked.contains("the URL is signed with `2026`"), "{checked}");
    let compiled = run(&["edge", "compile", &rules]);
    assert!(!compiled.status.success() && text(&compiled.stderr).trim_end().ends_with("missing `origins`"));
    let none = file("none.json", "{}");
    for command in [&["edge", "check", &press, "--keys", &none][..], &["serve", ".", "--cdn", "--edge", &press]] {
        let output = run(command);
        let message = text(&output.stderr);
        assert!(message.contains("rules[0].allow: `token` lets nobody pass, for the keys have no tokens"), "{message}");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn a_start_with_rules_is_written_and_works() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let output = run(&["edge", "init", &place]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    let [rules, keys] = ["edge.toml", "keys.json"].map(|name| folder.path().join(name).display().to_string());
    let token = shown.lines().find_map(|line| line.strip_prefix("  ")).unwrap();
    assert!(token.len() == 64 && !std::fs::read_to_string(&keys).unwrap().contains(token), "only the hash is kept");
    let checked = text(
        &run(&[
            "edge",
            "check",
            &rules,
            "--keys",
            &keys,
            "-H",
            &format!("authorization: Bearer {token}"),
            "/press/a.jpg?w=7",
        ])
        .stdout,
    );
    assert!(checked.contains("forwarded as /press/a.jpg?w=7"), "{checked}");
    let signed = text(&run(&["sign", "--keys", &keys, "/press/a.jpg?w=300"]).stdout);
    let checked =
        text(&run(&["edge", "check", &rules, "--keys", &keys, signed.trim(), "/a.jpg?w=7", "/press/a.jpg"]).stdout);
    for expected in
        ["the URL is signed with `20", "forwarded as /a.jpg?max_pixels=8000000&w=160", "the response is 401"]
    {
        assert!(checked.contains(expected), "{expected}: {checked}");
    }
    assert!(run(&["config", "check", "--edge", &rules, "--edge-keys", &keys]).status.success());
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&keys).unwrap().permissions()) & 0o77, 0);
    let again = run(&["edge", "init", &place]);
    assert_eq!((again.status.code(), text(&again.stderr).contains("is there already")), (Some(2), true));
}

#[test]
fn settings_are_checked_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let good = file("good.toml", "workers = 2\n[presets]\nthumb = \"w=200\"\n");
    let typo = file("typo.toml", "wokers = 2\n");
    let preset = file("preset.toml", "[presets]\nthumb = \"w=0\"\n");
    let none = "UNRELATED=";
    let rules =
        file("edge.toml", "[limits]\ndefault_preset = \"card\"\n[[rules]]\npath = \"/*\"\nallow = [\"public\"]\n");
    let closed = file("closed.toml", "[[rules]]\npath = \"/*\"\nallow = [\"token\"]\n");
    let issuer = file(
        "issuer.toml",
        "[[rules]]\npath = \"/*\"\nallow = [\"jwt\"]\n[[jwt.issuers]]\nissuer = \"https://a/\"\naudiences = [\"a\"]\n\
         jwks_uri = \"https://a/jwks\"\n",
    );
    let keys = file("keys.json", "{\"tokens\": 1}");
    let named = file("named.toml", &format!("source = \"{}\"\ncheck_source = true\n", folder.path().display()));
    let other = file("other.toml", "source = \"gs://bucket\"\n");
    let card = file("card.toml", "[presets]\ncard = \"w=20\"\n");
    let sources = file(
        "sources.toml",
        "[[sources]]\nhost = \"a.example\"\nfrom = \"https://cms.example.com/\"\n\
         headers = { Authorization = \"Bearer ${NO_SUCH_VARIABLE}\" }\n\
         [[sources]]\npath = \"/*\"\nfrom = \"dir:/no/such/folder\"\n",
    );
    let shadowed = file(
        "shadowed.toml",
        "[[sources]]\npath = \"/*\"\nfrom = \"dir:.\"\n[[sources]]\npath = \"/a/*\"\nfrom = \"dir:.\"\n",
    );
    let comma = file("comma.toml", "[presets]\n\"a,b\" = \"w=20\"\n");
    let table: [(&[&str], &str, i32, &str); 27] = [
        (&[&card, "--edge", &rules], none, 0, "card.toml is good"),
        (
            &[&good, "--edge", &rules],
            none,
            2,
            "edge.toml: the limits name the preset `card`, which the settings do not have",
        ),
        (&["--edge", &closed], none, 2, "rules[0].allow: `token` lets nobody pass, for the keys have no tokens"),
        (&["--edge", &closed, "--edge-keys", &keys], none, 2, "keys.json: tokens: expected a list, found 1"),
        (&["--edge", &issuer], none, 0, "the settings are good"),
        (&["--edge", "missing.toml"], none, 2, "missing.toml cannot be read"),
        (&["--edge-keys", &keys], none, 2, "for `edge_keys`: expected `edge` as well"),
        (&[&named], none, 0, "named.toml is good"),
        (&[&named], "IMAGE_ORIGIN_SOURCE=/no/such/folder", 2, "cannot open the folder /no/such/folder"),
        (&[&other], none, 2, "unsupported source gs://: expected a folder, s3://BUCKET/PREFIX"),
        // Folders and variables may be those of another machine.
        (&[&sources], none, 0, "sources.toml is good"),
        (
            &[&sources, "--check-source", "true"],
            none,
            2,
            "the variable NO_SUCH_VARIABLE, which the header authorization contains, is not set",
        ),
        (&[&sources, "--check-source", "true"], "NO_SUCH_VARIABLE=x", 2, "cannot open the folder /no/such/folder"),
        (&[&sources], "IMAGE_ORIGIN_SOURCE=photos", 2, "the source photos is named beside the [[sources]]"),
        (&[&shadowed], none, 2, "invalid value /a/* for `sources[1]`: sources[0] is for all of its requests"),
        (&[&comma], none, 2, "invalid value a,b for `presets`: expected names without commas"),
        (&[&good], none, 0, "good.toml is good"),
        (&[], none, 0, "the settings are good"),
        (&[&good], "IMAGE_ORIGIN_WORKERS=", 0, "good.toml is good"),
        (
            &["--listen", "localhost:80", "--max-pixels", "100M", "--max-age", "30d", "--deadline", "500ms"],
            none,
            0,
            "good",
        ),
        (&[&typo], none, 2, "unknown setting `wokers`; did you mean `workers`?"),
        (&[&preset], none, 2, "presets.thumb"),
        (&[&good, "--deadline", "0"], none, 2, "deadline"),
        (&[], "IMAGE_ORIGIN_WOKERS=2", 2, "unknown variable IMAGE_ORIGIN_WOKERS; did you mean IMAGE_ORIGIN_WORKERS?"),
        (&["--workers", "100000"], none, 2, "invalid value 100000 for `workers`: expected 1 to 1024"),
        (&[], "IMAGE_ORIGIN_WORKERS=two", 2, "the value comes from the variable IMAGE_ORIGIN_WORKERS"),
        (&[], "IMAGE_ORIGIN_LOG=a=b=c", 2, "invalid value a=b=c for `log`"),
    ];
    for (arguments, variable, code, expected) in table {
        let (name, value) = variable.split_once('=').unwrap();
        let output = image_origin(&[&["config", "check"], arguments].concat()).env(name, value).output().unwrap();
        let shown = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {variable}: {shown}");
        assert!(shown.contains(expected), "{arguments:?} {variable}: {shown}");
    }
}

#[test]
#[cfg(feature = "http")]
fn a_web_server_is_tried_by_a_key_that_it_hardly_has() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let page = (axum::http::StatusCode::OK, "<html>There is nothing here.</html>");
    let table = [
        (axum::Router::new(), 0, "is good"),
        (axum::Router::new().fallback(move || std::future::ready(page)), 0, "is good"),
        (axum::Router::new().fallback(async || axum::http::StatusCode::BAD_REQUEST), 1, "the source does not answer"),
    ];
    for (router, code, expected) in table {
        let server = crate::common::Server::serving(router);
        let settings =
            format!("[[sources]]\npath = \"/*\"\nfrom = \"http://{}/\"\nnetworks = [\"127.0.0.1\"]\n", server.address);
        std::fs::write(&file, settings).unwrap();
        let arguments = ["config", "check", file.to_str().unwrap(), "--check-source", "true"];
        let output = image_origin(&arguments).output().unwrap();
        let shown = text(&output.stdout) + &text(&output.stderr);
        assert_eq!((output.status.code(), shown.contains(expected)), (Some(code), true), "{shown}");
    }
}

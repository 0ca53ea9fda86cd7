//! A first-time user's path: the README's calls work as printed and answer what it says they answer.

use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

/// A call of the README and the answer printed below it.
struct Example {
    command: String,
    answer: Value,
}

#[tokio::test]
async fn the_calls_of_the_readme_answer_as_printed() {
    let examples = examples();
    assert!(examples.len() >= 3, "only {} calls with an answer were found", examples.len());
    let mut demo = Command::new(env!("CARGO_BIN_EXE_bridgecore"))
        .args(["demo", "--port", "0"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let (mut address, mut token, mut printed) = (String::new(), String::new(), Vec::new());
    while printed.len() < 3 {
        let line = lines.next_line().await.unwrap().expect("the demo ended before it had said everything");
        match line.trim().split_once(char::is_whitespace) {
            Some(("address", rest)) => rest.trim().trim_start_matches("http://").clone_into(&mut address),
            Some(("token", rest)) => rest.trim().clone_into(&mut token),
            Some(("curl", _)) => printed.push(line),
            _ => {}
        }
    }
    for command in printed {
        let answer = run(&command).await;
        assert!(answer.is_object() && answer.get("error").is_none_or(Value::is_null), "{command}: {answer}");
    }
    for Example { command, answer } in examples {
        let command = command.replace("ADDRESS", &address).replace("TOKEN", &token);
        let real = run(&command).await;
        assert_same_shape(&answer, &real, &command);
    }
}

async fn run(command: &str) -> Value {
    let output = Command::new("bash").args(["-c", command]).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{command} answered {text:?}"))
}

/// The README's `sh` blocks with a call, each with the `json` block that follows it.
fn examples() -> Vec<Example> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let mut blocks = text.split("```");
    let mut examples = Vec::new();
    let mut call: Option<String> = None;
    // Every second part is a block; it begins with its language.
    while let (Some(_), Some(block)) = (blocks.next(), blocks.next()) {
        if let Some(command) = block.strip_prefix("sh\n").filter(|command| command.starts_with("curl")) {
            call = Some(command.to_owned());
        } else if let Some(answer) = block.strip_prefix("json\n")
            && let Some(command) = call.take()
        {
            examples.push(Example { command, answer: serde_json::from_str(answer).unwrap() });
        }
    }
    examples
}

/// The same keys with values of the same kind; what is null in one may be something in the other.
#[track_caller]
fn assert_same_shape(printed: &Value, real: &Value, at: &str) {
    match (printed, real) {
        (Value::Object(printed), Value::Object(real)) => {
            let keys = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(printed), keys(real), "{at}");
            for (key, value) in printed {
                assert_same_shape(value, &real[key], &format!("{at} .{key}"));
            }
        }
        (Value::Array(printed), Value::Array(real)) => {
            assert!(!real.is_empty() || printed.is_empty(), "{at}: nothing there");
            if let (Some(printed), Some(real)) = (printed.first(), real.first()) {
                assert_same_shape(printed, real, &format!("{at} [0]"));
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        (printed, real) => {
            assert_eq!(std::mem::discriminant(printed), std::mem::discriminant(real), "{at}: {printed} or {real}");
        }
    }
}

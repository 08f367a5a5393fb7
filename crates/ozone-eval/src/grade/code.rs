//! Code that a model wrote, judged by the tests of its set. It runs in a kernel of its own in the
//! sandbox; there is no other way.

use std::time::Duration;

use ozone_python::{ExecuteOptions, Interrupt, KernelPool, Status};

use super::{Unjudged, Verdict};

/// For one program; HumanEval's own harness gives three seconds to a machine without other load.
const SECONDS_MAX: u64 = 15;
/// Printed behind the last test, so that a program that ends before its tests has not passed.
const END: &str = "ozone: all tests were run";

/// Strictly the last code block of the reply, or a reply that is code; leniently all its blocks
/// behind one another.
pub(super) async fn judge(
    kernels: &KernelPool,
    prompt: Option<&str>,
    before: &str,
    after: &str,
    reply: &str,
) -> Result<Verdict, Unjudged> {
    let blocks = blocks(reply);
    let strict = blocks.last().copied().unwrap_or(reply);
    let program = |code: &str| {
        // A reply may go on with the prompt's function, or write it anew.
        let start = prompt.filter(|_| goes_on(code)).unwrap_or_default();
        let imports = prompt.map(head).unwrap_or_default();
        format!("{before}\n{imports}\n{start}{code}\n{after}\n")
    };
    let (passed, note) = passes(kernels, &program(strict)).await?;
    if passed || blocks.len() < 2 {
        return Ok(Verdict { strict: passed, lenient: passed, answer: None, note });
    }
    let (lenient, _) = passes(kernels, &program(&blocks.join("\n"))).await?;
    Ok(Verdict { strict: false, lenient, answer: None, note })
}

/// The texts between fences.
fn blocks(reply: &str) -> Vec<&str> {
    let fenced = reply.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').map_or(block, |(_, code)| code)).collect()
}

/// Code whose first line is indented is the body of the prompt's function.
fn goes_on(code: &str) -> bool {
    code.lines().find(|l| !l.trim().is_empty()).is_some_and(|l| l.starts_with([' ', '\t']))
}

/// The imports and helpers of a prompt: what stands before its last function.
fn head(prompt: &str) -> &str {
    let at = prompt.rfind("\ndef ").map(|at| at + 1).or(prompt.starts_with("def ").then_some(0));
    at.map_or("", |at| &prompt[..at])
}

async fn passes(kernels: &KernelPool, program: &str) -> Result<(bool, Option<String>), Unjudged> {
    // Its own name space: neither the kernel's variables nor its magic commands.
    let literal = serde_json::Value::String(program.to_owned()).to_string();
    let cell = format!(
        "exec(compile({literal}, 'solution.py', 'exec'), {{'__name__': 'solution'}})\n\
         print('\\n{END}')\n"
    );
    let mut kernel = kernels.take(None).await?;
    let options =
        ExecuteOptions { timeout: Duration::from_secs(SECONDS_MAX), ..Default::default() };
    let execution = kernel.execute(&cell, &options, |_| {}).await?;
    let note = match (&execution.status, execution.error) {
        (Status::Ok, _) => None,
        (Status::Interrupted(Interrupt::Timeout), _) => {
            Some(format!("not done after {SECONDS_MAX} s"))
        }
        (Status::Died(cause), _) => Some(cause.clone()),
        (_, Some(error)) => Some(format!("{}: {}", error.ename, error.evalue)),
        (_, None) => Some("the program was stopped".to_owned()),
    };
    let is_done = execution.status == Status::Ok && execution.stdout.trim_end().ends_with(END);
    let note = note.or_else(|| (!is_done).then(|| "it ended before its tests".to_owned()));
    Ok((is_done, note.map(|n| n.chars().take(300).collect())))
}

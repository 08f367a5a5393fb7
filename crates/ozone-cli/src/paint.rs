//! Draws a response as it is journaled: the reasoning dimmed, each call with its code and output,
//! the answer. The answer goes to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use ozone_cost::{Amount, Total};
use ozone_types::item::Known;
use ozone_types::{
    CodeOutput, DrawnImage, Event, EventKind, ImageFacts, Item, ItemStatus, PatchOperation,
    PatchStatus, ProReport, ProStop, Response, ResponseStatus, ShellOutcome, ShellOutput,
    WebAction,
};
use serde_json::Value;

use crate::memory;

const DIM: Style = Style::new().dimmed();
const CODE: Style = AnsiColor::Cyan.on_default();
const RESULT: Style = AnsiColor::Green.on_default();
const WRONG: Style = AnsiColor::Red.on_default();
const PLAIN: Style = Style::new();

/// The most lines of one call's output that are shown; the journal has them all.
const OUTPUT_LINES_MAX: usize = 20;

pub struct Painter {
    out_colour: bool,
    err_colour: bool,
    spinner: bool,
    spun: bool,
    turn: usize,
    /// The last thing written to stderr did not end its line.
    mid_line: bool,
    code_begun: bool,
    code_newlines: usize,
    /// How the vote stands, in pro mode.
    vote: Option<String>,
    model: String,
}

impl Painter {
    pub fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let err = io::stderr().is_terminal();
        Painter {
            out_colour: io::stdout().is_terminal() && !plain,
            err_colour: err && !plain,
            spinner: err && !plain,
            spun: false,
            turn: 0,
            mid_line: false,
            model: String::new(),
            code_begun: false,
            code_newlines: 0,
            vote: None,
        }
    }

    /// Called now and then while nothing comes.
    pub fn tick(&mut self, since: Duration) -> io::Result<()> {
        if !self.spinner || self.mid_line {
            return Ok(());
        }
        const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
        self.turn = (self.turn + 1) % FRAMES.len();
        self.spun = true;
        let frame = FRAMES[self.turn];
        let vote = self.vote.as_ref().map_or_else(String::new, |vote| format!(" · {vote}"));
        write!(io::stderr(), "\r\x1b[2K{DIM}{frame} {:.1} s{vote}{DIM:#}", since.as_secs_f64())
    }

    fn clear(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.spun) {
            write!(io::stderr(), "\r\x1b[2K")?;
        }
        Ok(())
    }

    fn err(&mut self, style: Style, text: &str) -> io::Result<()> {
        self.clear()?;
        let mut err = io::stderr().lock();
        if self.err_colour {
            write!(err, "{style}{text}{style:#}")?;
        } else {
            write!(err, "{text}")?;
        }
        self.mid_line = !text.ends_with('\n');
        err.flush()
    }

    fn line(&mut self, style: Style, text: &str) -> io::Result<()> {
        if self.mid_line {
            self.err(PLAIN, "\n")?;
        }
        self.err(style, &format!("{text}\n"))
    }

    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::Created { response } => {
                self.model.clone_from(&response.model);
                self.line(DIM, &format!("{} · {}", response.id, response.model))
            }
            EventKind::InProgress { response } => match &response.pro {
                Some(report) => self.vote(report),
                None => Ok(()),
            },
            EventKind::ReasoningTextDelta { delta, .. } => self.err(DIM, &printable(delta)),
            EventKind::ReasoningTextDone { .. } if self.mid_line => self.err(PLAIN, "\n"),
            EventKind::CodeInterpreterCallCodeDelta { delta, .. } => self.code(delta),
            EventKind::CodeInterpreterCallCodeDone { .. } => {
                self.code_begun = false;
                self.code_newlines = 0;
                if self.mid_line { self.err(PLAIN, "\n") } else { Ok(()) }
            }
            EventKind::OutputTextDelta { delta, .. } => self.answer(delta),
            EventKind::OutputTextDone { .. } => self.answer("\n"),
            EventKind::OutputItemDone { item: Item::Known(item), .. } => self.item(item),
            _ => Ok(()),
        }
    }

    /// How a vote stands, once a sample has ended; on a terminal in one line that
    /// changes, in a file in lines of their own.
    fn vote(&mut self, report: &ProReport) -> io::Result<()> {
        let told = standing(report);
        if report.finished + report.failed == 0 || self.vote.as_ref() == Some(&told) {
            return Ok(());
        }
        self.vote = Some(told.clone());
        // The spinner shows it.
        if self.spinner { Ok(()) } else { self.line(DIM, &told) }
    }

    /// Code as it is sampled. Newlines wait for the next character: the last ones are not shown.
    fn code(&mut self, delta: &str) -> io::Result<()> {
        if !std::mem::replace(&mut self.code_begun, true) {
            if self.mid_line {
                self.err(PLAIN, "\n")?;
            }
            self.err(CODE, "▶ ")?;
        }
        let mut shown = String::new();
        for c in printable(delta).chars() {
            if c == '\n' {
                self.code_newlines += 1;
                continue;
            }
            for _ in 0..std::mem::take(&mut self.code_newlines) {
                shown.push_str("\n  ");
            }
            shown.push(c);
        }
        if shown.is_empty() { Ok(()) } else { self.err(CODE, &shown) }
    }

    fn answer(&mut self, delta: &str) -> io::Result<()> {
        self.clear()?;
        if self.mid_line {
            self.err(PLAIN, "\n")?;
        }
        let mut out = io::stdout().lock();
        let text = printable(delta);
        if self.out_colour {
            write!(out, "{text}")?;
        } else {
            out.write_all(text.as_bytes())?;
        }
        out.flush()
    }

    fn item(&mut self, item: &Known) -> io::Result<()> {
        let Known::CodeInterpreterCall { outputs: Some(outputs), status, .. } = item else {
            return self.mcp(item);
        };
        let style = match status {
            ItemStatus::Completed => RESULT,
            _ => WRONG,
        };
        for output in outputs {
            match output {
                CodeOutput::Logs { logs } => self.output(style, logs)?,
                CodeOutput::Image { .. } => self.line(DIM, "  [picture]")?,
            }
        }
        Ok(())
    }

    fn output(&mut self, style: Style, text: &str) -> io::Result<()> {
        let text = printable(text);
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().take(OUTPUT_LINES_MAX) {
            self.line(style, &format!("  {line}"))?;
        }
        self.more(lines.len())
    }

    /// That of so many lines not all are shown.
    fn more(&mut self, lines: usize) -> io::Result<()> {
        match lines.saturating_sub(OUTPUT_LINES_MAX) {
            0 => Ok(()),
            more => self.line(DIM, &format!("  … {more} more lines")),
        }
    }

    /// A look at pages.
    fn web(&mut self, action: &WebAction, failed: bool) -> io::Result<()> {
        let told = match action {
            WebAction::Search { queries, .. } => format!("search {}", queries.join("; ")),
            WebAction::OpenPage { url } => format!("open {}", url.as_deref().unwrap_or("a page")),
            WebAction::FindInPage { url, pattern } => format!("find `{pattern}` in {url}"),
        };
        let style = if failed { WRONG } else { CODE };
        self.line(style, &printable(&format!("▶ {told}")))
    }

    fn shell(&mut self, outputs: &[ShellOutput]) -> io::Result<()> {
        for output in outputs {
            self.output(RESULT, &output.stdout)?;
            self.output(WRONG, &output.stderr)?;
            match output.outcome {
                ShellOutcome::Exit { exit_code: 0 } => {}
                ShellOutcome::Exit { exit_code } => {
                    self.line(WRONG, &format!("  exit code {exit_code}"))?;
                }
                ShellOutcome::Timeout => self.line(WRONG, "  its time was over")?,
            }
        }
        Ok(())
    }

    /// A change of a file, in the colours of its lines.
    fn patch(&mut self, operation: &PatchOperation) -> io::Result<()> {
        let what = match operation {
            PatchOperation::CreateFile { .. } => "create",
            PatchOperation::UpdateFile { .. } => "update",
            PatchOperation::DeleteFile { .. } => "delete",
        };
        self.line(CODE, &printable(&format!("▶ {what} {}", operation.path())))?;
        let lines: Vec<&str> = operation.diff().unwrap_or_default().lines().collect();
        for line in lines.iter().take(OUTPUT_LINES_MAX) {
            let style = match line.chars().next() {
                Some('+') => RESULT,
                Some('-') => WRONG,
                _ => DIM,
            };
            self.line(style, &printable(&format!("  {line}")))?;
        }
        self.more(lines.len())
    }

    /// What comes from MCP servers and other tools.
    fn mcp(&mut self, item: &Known) -> io::Result<()> {
        let as_text =
            |error: &Value| error.as_str().map_or_else(|| error.to_string(), str::to_owned);
        match item {
            Known::McpListTools { server_label, error: Some(error), .. } => {
                let why = printable(&as_text(error));
                self.line(WRONG, &format!("{server_label} cannot be used: {why}"))
            }
            Known::McpListTools { server_label, tools, .. } => {
                self.line(DIM, &format!("{server_label}: {} tools", tools.len()))
            }
            Known::McpApprovalRequest { server_label, name, arguments, .. } => {
                self.line(CODE, &printable(&format!("? {server_label}/{name} {arguments}")))
            }
            Known::McpCall { server_label, name, arguments, output, error, .. } => {
                let output = output.as_deref();
                if server_label == ozone_memory::SERVER_LABEL
                    && let Some(told) = output.and_then(|output| memory::told(name, output))
                {
                    return self.line(RESULT, &printable(&told));
                }
                self.line(CODE, &printable(&format!("▶ {server_label}/{name} {arguments}")))?;
                match error {
                    Some(error) => self.output(WRONG, &as_text(error)),
                    None => self.output(RESULT, output.unwrap_or_default()),
                }
            }
            Known::ShellCall { action, .. } => {
                for command in &action.commands {
                    self.line(CODE, &printable(&format!("$ {command}")))?;
                }
                Ok(())
            }
            Known::ShellCallOutput { output, .. } => self.shell(output),
            Known::ImageGenerationCall { facts, drawn, result, .. } => {
                self.picture(facts, drawn.as_deref(), result.is_some())
            }
            Known::ApplyPatchCall { operation, .. } => self.patch(operation),
            Known::ApplyPatchCallOutput { status, output, .. } => {
                let style = if *status == PatchStatus::Completed { RESULT } else { WRONG };
                self.output(style, output.as_deref().unwrap_or_default())
            }
            Known::WebSearchCall { action, status, seen, .. } => {
                let failed = *status != ItemStatus::Completed;
                self.web(action, failed)?;
                match seen {
                    Some(seen) if failed => self.output(WRONG, &seen.text),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// A picture, and who made it.
    fn picture(
        &mut self,
        facts: &ImageFacts,
        drawn: Option<&DrawnImage>,
        is_there: bool,
    ) -> io::Result<()> {
        if !is_there {
            self.line(WRONG, "▶ no picture")?;
            return drawn.map_or(Ok(()), |drawn| self.output(WRONG, &drawn.told));
        }
        let engine = match facts.x_engine.as_deref() {
            Some("svg") => format!("drawn as SVG by {}", self.model),
            Some(engine) => format!("made by {engine}"),
            None => "made".to_owned(),
        };
        let title = facts.revised_prompt.as_deref().unwrap_or("a picture");
        let title: String = title.chars().take(120).collect();
        let size = facts.size.as_deref().unwrap_or_default();
        self.line(CODE, &printable(&format!("▶ {title} · {size}, {engine}")))
    }

    /// The one last line.
    pub fn summary(
        &mut self,
        response: &Response,
        elapsed: Duration,
        cost: Total,
        local: bool,
        files: &[String],
    ) -> io::Result<()> {
        for file in files {
            self.line(DIM, &format!("file: {file}"))?;
        }
        if let Some(told) = response.pro.as_deref().map(standing)
            && (self.spinner || self.vote.as_ref() != Some(&told))
        {
            self.line(DIM, &told)?;
        }
        let usage = response.usage.unwrap_or_default();
        let calls = response
            .output
            .iter()
            .filter(|i| {
                let Item::Known(item) = i else { return false };
                matches!(
                    item,
                    Known::CodeInterpreterCall { .. }
                        | Known::McpCall { .. }
                        | Known::WebSearchCall { .. }
                        | Known::ImageGenerationCall { .. }
                        | Known::ShellCall { .. }
                        | Known::ApplyPatchCall { .. }
                )
            })
            .count();
        let mut text = format!(
            "{} tokens in ({} cached), {} out ({} reasoning) · {calls} tool call{} · {:.2} s · {}",
            usage.input_tokens,
            usage.input_tokens_details.cached_tokens,
            usage.output_tokens,
            usage.output_tokens_details.reasoning_tokens,
            if calls == 1 { "" } else { "s" },
            elapsed.as_secs_f64(),
            match cost {
                cost if local && cost.amount().is_some_and(Amount::is_zero) => {
                    "$0 (local model)".to_owned()
                }
                cost => cost.to_string(),
            },
        );
        if response.status != ResponseStatus::Completed {
            let status = serde_json::to_value(response.status).unwrap_or_default();
            text = format!("{} · {text}", status.as_str().unwrap_or_default());
        }
        self.line(DIM, &text)
    }

    /// Leaves the terminal as it was.
    pub fn end(&mut self) -> io::Result<()> {
        self.clear()?;
        if self.mid_line { self.err(PLAIN, "\n") } else { Ok(()) }
    }
}

/// As `pro 5/8 · 4 agree · stopped early`.
fn standing(report: &ProReport) -> String {
    let mut told = format!("pro {}/{}", report.finished, report.samples_max);
    match report.votes.first() {
        Some(leader) if leader.count > 1 => told.push_str(&format!(" · {} agree", leader.count)),
        _ if report.finished > 1 => told.push_str(" · none agree"),
        _ => {}
    }
    if report.failed > 0 {
        told.push_str(&format!(" · {} without an answer", report.failed));
    }
    told.push_str(match report.stop_reason {
        Some(ProStop::Posterior | ProStop::MOfK) if report.finished < report.samples_max => {
            " · stopped early"
        }
        Some(ProStop::Verified) => " · chosen by the model",
        Some(ProStop::Fused) => " · written from all",
        Some(ProStop::CutShort) => " · cut short",
        Some(ProStop::Posterior | ProStop::MOfK | ProStop::Exhausted) | None => "",
    });
    told
}

/// Text of a model or a tool, with nothing in it that a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

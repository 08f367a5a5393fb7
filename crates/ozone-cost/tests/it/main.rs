//! Money as a user of the crate sees it.

mod amounts;
mod books;
mod budgets;
mod examples;
mod laws;
mod litellm;
mod reports;
mod rules;
mod suites;
mod support;
mod times;
mod usage_pages;
mod usages;

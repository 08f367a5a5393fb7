mod browsing;
mod data;
mod index;
mod pages;

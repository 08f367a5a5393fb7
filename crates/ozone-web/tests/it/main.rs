mod browsing;
mod index;
mod pages;

mod facts;
mod provenance;

-- Roles for Prism, run once by a superuser: psql -v ON_ERROR_STOP=1 -f postgres-roles.sql
-- prism_owner owns the tables and migrates them; prism, which the gateways are, reads and writes rows. Give each a password
-- with \password, or let them in by certificate.
CREATE ROLE prism_owner LOGIN;
CREATE ROLE prism LOGIN;

CREATE DATABASE prism OWNER prism_owner;
\connect prism

REVOKE ALL ON DATABASE prism FROM PUBLIC;
GRANT CONNECT ON DATABASE prism TO prism;

-- A schema of its own, where nobody else makes tables, and the only one where Prism looks for its own.
CREATE SCHEMA prism AUTHORIZATION prism_owner;
ALTER ROLE prism_owner IN DATABASE prism SET search_path = prism;
ALTER ROLE prism IN DATABASE prism SET search_path = prism;
GRANT USAGE ON SCHEMA prism TO prism;
-- For what prism_owner will make: gateways read and write rows, draw versions, and read the schema's version.
ALTER DEFAULT PRIVILEGES FOR ROLE prism_owner IN SCHEMA prism
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO prism;
ALTER DEFAULT PRIVILEGES FOR ROLE prism_owner IN SCHEMA prism
    GRANT USAGE ON SEQUENCES TO prism;

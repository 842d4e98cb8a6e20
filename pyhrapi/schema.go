package pyhrapi

// The tables of a file. pyHrapi's own misspellings are part of it.
const (
	gateways     = "Gateways"
	endpoints    = "Endpoints"
	pools        = "Pools"
	targets      = "Targets"
	gatewayPools = "GatewaysPools"
	commits      = "Commits"
	uploads      = "Uploads"
	certificates = "Certificates"
)

// A column is one of a table: its name, and its type as CREATE TABLE has it.
type column struct{ name, definition string }

// A table is one of the schema.
type table struct {
	name    string
	columns []column
	// constraint ends its CREATE TABLE; may be empty.
	constraint string
	// isNew: files from before November 2014 lack it.
	isNew bool
}

const (
	text    = "VARCHAR(64)"
	boolean = "BOOLEAN"
	stamp   = "VARCHAR(64)"
)

// schema is the newest one.
func schema() []table {
	const method = "schemaVerion" // as pyHrapi writes it, for the method of the request
	return []table{
		{name: gateways, columns: []column{
			{"name", text}, {"revision", text}, {"schema", text}, {method, text}, {"mode", text}, {"defBack", text}, {"data", "BLOB"},
		}, constraint: "UNIQUE (name)"},
		{name: endpoints, columns: []column{
			{"alias", text}, {"entity_id", text}, {"gateway_id", text}, {"revision", text}, {"schema", text}, {"data", "BLOB"},
		}, constraint: "UNIQUE (alias), FOREIGN KEY(gateway_id) REFERENCES \"Gateways\" (name)"},
		{name: pools, columns: []column{
			{"name", text}, {"revision", text}, {"schema", text}, {"method", text}, {"policy", text}, {"policy_weights", "FLOAT"}, {"enabled", boolean}, {"data", "BLOB"},
		}, constraint: "UNIQUE (name), CHECK (enabled IN (0, 1))"},
		{name: targets, columns: []column{
			{"revision", text}, {"schema", text}, {"pool_id", text}, {"alias", text}, {"entity_id", text}, {"weight", text}, {"enabled", boolean}, {"data", "BLOB"},
		}, constraint: "UNIQUE (alias), UNIQUE (entity_id), CHECK (enabled IN (0, 1)), FOREIGN KEY(pool_id) REFERENCES \"Pools\" (name)"},
		{name: gatewayPools, columns: []column{
			{"name", text}, {"revision", text}, {"schema", text}, {"method", text}, {"policy", text}, {"policy_weights", "FLOAT"}, {"data", "BLOB"},
		}, constraint: "UNIQUE (name)"},
		{name: commits, columns: []column{
			{"schema", text}, {"method", text}, {"revision", text}, {"data", "BLOB"}, {"timestamp", stamp},
		}},
		{name: uploads, isNew: true, columns: []column{
			{"schema", text}, {"method", text}, {"pending", boolean}, {"running", boolean}, {"data", "BLOB"}, {"expanded", "BLOB"}, {"timestamp", stamp},
		}, constraint: "CHECK (pending IN (0, 1)), CHECK (running IN (0, 1))"},
		{name: certificates, isNew: true, columns: []column{
			{"schema", text}, {"method", text}, {"entity_id", text}, {"data", "BLOB"}, {"timestamp", stamp},
		}, constraint: "UNIQUE (entity_id)"},
	}
}

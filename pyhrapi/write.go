package pyhrapi

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Write makes a file of the newest schema, which pyHrapi reads. Duplicate names and addresses are
// an error, because these columns are unique.
func Write(db Database) (data []byte, err error) {
	c, err := sqlite.OpenConn(":memory:", sqlite.OpenReadWrite|sqlite.OpenMemory)
	if err != nil {
		return nil, fmt.Errorf("writing a database of pyHrapi: %w", err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for _, t := range schema() {
		if err := sqlitex.ExecuteTransient(c, t.create(), nil); err != nil {
			return nil, fmt.Errorf("creating the table %s: %w", t.name, err)
		}
	}
	w := writer{c}
	if err := w.write(db); err != nil {
		return nil, err
	}
	return c.Serialize("main")
}

// create is the statement that makes a table.
func (t table) create() string {
	parts := []string{"id INTEGER NOT NULL"}
	for _, c := range t.columns {
		parts = append(parts, quote(c.name)+" "+c.definition)
	}
	parts = append(parts, "PRIMARY KEY (id)")
	if t.constraint != "" {
		parts = append(parts, t.constraint)
	}
	return "CREATE TABLE " + quote(t.name) + " (" + strings.Join(parts, ", ") + ")"
}

type writer struct{ conn *sqlite.Conn }

func (w writer) write(db Database) (err error) {
	defer sqlitex.Save(w.conn)(&err)
	for _, g := range db.Gateways {
		err = errors.Join(err, w.insert(gateways, "name", g.Name, "mode", g.Protocol, "defBack", g.Default))
	}
	for _, e := range db.Endpoints {
		err = errors.Join(err, w.insert(endpoints, "alias", e.Name, "entity_id", e.Address, "gateway_id", orNull(e.Gateway)))
	}
	for _, p := range db.Pools {
		err = errors.Join(err, w.insert(pools, "name", p.Name, "policy", p.Policy, "policy_weights", p.Weights, "enabled", p.Enabled))
	}
	for _, t := range db.Targets {
		err = errors.Join(err, w.insert(targets, "alias", t.Name, "entity_id", t.Address, "weight", t.Weight, "enabled", t.Enabled, "pool_id", orNull(t.Pool)))
	}
	for _, p := range db.GatewayPools {
		err = errors.Join(err, w.insert(gatewayPools, "name", p.Name, "policy", p.Policy, "policy_weights", p.Weights))
	}
	for _, c := range db.Certificates {
		err = errors.Join(err, w.insert(certificates, "entity_id", c.Name, "data", []byte(c.PEM)))
	}
	for _, u := range db.Uploads {
		err = errors.Join(err, w.insert(uploads, "pending", u.Pending, "running", u.Running, "data", []byte(u.Text), "expanded", []byte(u.Expanded), "timestamp", timeText(u.Time)))
	}
	for _, c := range slices.Backward(db.Commits) { // the newest is the first, and the last row
		err = errors.Join(err, w.insert(commits, "revision", c.Revision, "data", []byte(c.Text), "timestamp", timeText(c.Time)))
	}
	return err
}

// orNull is NULL for "".
func orNull(name string) any {
	if name == "" {
		return nil
	}
	return name
}

func timeText(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(timeLayout)
}

// insert adds a row of names of columns and their values. pyHrapi counts from the revision
// on, and reads the document beside it.
func (w writer) insert(table string, pairs ...any) error {
	if table != certificates && table != uploads && table != commits {
		pairs = append(pairs, "revision", "1", "data", []byte("{}"))
	}
	var columns, places []string
	var values []any
	for i := 0; i < len(pairs); i += 2 {
		name, _ := pairs[i].(string) // the callers above
		columns = append(columns, quote(name))
		places = append(places, "?"+strconv.Itoa(i/2+1))
		values = append(values, pairs[i+1])
	}
	statement := "INSERT INTO " + quote(table) + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")"
	if err := sqlitex.Execute(w.conn, statement, &sqlitex.ExecOptions{Args: values}); err != nil {
		return fmt.Errorf("%s %v: %w", table, pairs[1], err)
	}
	return nil
}

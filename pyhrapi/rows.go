package pyhrapi

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"zombiezen.com/go/sqlite"
)

// needed are the columns of a table that Read reads.
func needed(table string) []string {
	return map[string][]string{
		gateways:     {"name", "mode", "defBack"},
		endpoints:    {"alias", "entity_id", "gateway_id"},
		pools:        {"name", "policy", "policy_weights", "enabled"},
		targets:      {"alias", "entity_id", "weight", "enabled", "pool_id"},
		gatewayPools: {"name", "policy", "policy_weights"},
		commits:      {"revision", "data", "timestamp"},
		uploads:      {"pending", "running", "data", "expanded", "timestamp"},
		certificates: {"entity_id", "data"},
	}[table]
}

// read reads all tables.
func (r *reader) read() error {
	for _, t := range schema() {
		if t.isNew && r.db.IsOld && !r.has(t.name) {
			continue
		}
		order, limit := "", maxRows+1
		if t.name == commits {
			order, limit = " DESC", maxCommits
		}
		statement := "SELECT id, " + strings.Join(bounded(t.name), ", ") + " FROM " + quote(t.name) + " ORDER BY id" + order + " LIMIT " + strconv.Itoa(limit)
		rows := 0
		if err := r.query(statement, func(row row) {
			rows++
			r.add(t.name, row)
		}); err != nil {
			return fmt.Errorf("reading %s: %w", t.name, err)
		}
		if rows > maxRows {
			return wrong("has more than %d rows in the table %s", maxRows, t.name)
		}
	}
	if r.more > 0 {
		r.db.Problems[MaxProblems-1] = strconv.Itoa(r.more+1) + " more problems"
	}
	return nil
}

// bounded are the expressions that read the columns of a table; values that are too long become
// NULL.
func bounded(table string) []string {
	names := needed(table)
	out := make([]string, 0, 2*len(names))
	for _, name := range names {
		most := maxName
		if name == "data" || name == "expanded" {
			most = maxText
		}
		column := quote(name)
		out = append(out, fmt.Sprintf("CASE WHEN length(%s) <= %d THEN %s END AS %s", column, most, column, column))
		out = append(out, fmt.Sprintf("length(%s) > %d AS %s", column, most, quote(name+tooLong)))
	}
	return out
}

// tooLong is the end of the name of a result that says whether the value of a column is too long.
const tooLong = " is too long"

func (r *reader) has(table string) bool {
	found := false
	_ = r.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name = '"+table+"'", func(row) { found = true }) // it has been read before
	return found
}

// add adds a row, unless it has no name.
func (r *reader) add(table string, row row) {
	d := &r.db
	name := row.text("name") + row.text("alias")
	if table == certificates {
		name = row.text("entity_id")
	}
	if name == "" && table != commits && table != uploads {
		r.problem("%s: row %d has no name, or too long a one, and is left out", table, row.number("id"))
		return
	}
	for _, field := range needed(table) {
		if problem := row.problem(field); problem != "" {
			r.problem("%s %s: %s %s", table, strconv.Quote(name), field, problem)
		}
	}
	switch table {
	case gateways:
		d.Gateways = append(d.Gateways, Gateway{Name: name, Protocol: row.text("mode"), Default: row.text("defBack")})
	case endpoints:
		d.Endpoints = append(d.Endpoints, Endpoint{Name: name, Address: row.text("entity_id"), Gateway: row.text("gateway_id")})
	case pools:
		d.Pools = append(d.Pools, Pool{Name: name, Policy: row.text("policy"), Weights: row.float("policy_weights"), Enabled: row.number("enabled") != 0})
	case targets:
		d.Targets = append(d.Targets, Target{
			Name: name, Address: row.text("entity_id"), Weight: row.text("weight"), Enabled: row.number("enabled") != 0, Pool: row.text("pool_id"),
		})
	case gatewayPools:
		d.GatewayPools = append(d.GatewayPools, GatewayPool{Name: name, Policy: row.text("policy"), Weights: row.float("policy_weights")})
	case commits:
		d.Commits = append(d.Commits, Commit{Revision: row.text("revision"), Text: row.text("data"), Time: row.time("timestamp")})
	case uploads:
		d.Uploads = append(d.Uploads, Upload{
			Pending: row.number("pending") != 0, Running: row.number("running") != 0, Text: row.text("data"), Expanded: row.text("expanded"), Time: row.time("timestamp"),
		})
	case certificates:
		d.Certificates = append(d.Certificates, Certificate{Name: name, PEM: row.text("data")})
	}
}

// A row is the current row of a statement. Its values may be of any type.
type row struct{ *sqlite.Stmt }

// text is a value as a text; "" for NULL, and for a column that the statement lacks.
func (r row) text(name string) string {
	i := r.ColumnIndex(name)
	if i < 0 {
		return ""
	}
	if r.ColumnType(i) == sqlite.TypeBlob {
		b := make([]byte, r.ColumnLen(i))
		return strings.ToValidUTF8(string(b[:r.ColumnBytes(i, b)]), "�")
	}
	return strings.ToValidUTF8(r.ColumnText(i), "�")
}

// number is a value as a whole number; 0 for anything else.
func (r row) number(name string) int64 {
	if i := r.ColumnIndex(name); i >= 0 {
		return r.ColumnInt64(i)
	}
	return 0
}

func (r row) float(name string) float64 {
	if i := r.ColumnIndex(name); i >= 0 {
		return r.ColumnFloat(i)
	}
	return 0
}

// timeLayout is how pyHrapi writes a time, in UTC.
const timeLayout = "2006-01-02 15:04:05.000000"

func (r row) time(name string) time.Time {
	t, err := time.Parse(timeLayout, r.text(name))
	if err != nil {
		return time.Time{}
	}
	return t
}

// problem says what is wrong with the type of a value; empty: nothing.
func (r row) problem(name string) string {
	i := r.ColumnIndex(name)
	kind := r.ColumnType(i)
	switch {
	case r.number(name+tooLong) != 0:
		return "is too long, and left out"
	case kind == sqlite.TypeNull:
		return "" // which every column may be
	case name == "enabled" || name == "pending" || name == "running":
		if n := r.ColumnInt64(i); kind != sqlite.TypeInteger || n != 0 && n != 1 {
			return "is " + shown(r.text(name)) + ", expected 0 or 1"
		}
	case name == "policy_weights":
		if kind != sqlite.TypeFloat && kind != sqlite.TypeInteger {
			return "is " + shown(r.text(name)) + ", expected a number"
		}
	case strings.ContainsRune(r.text(name), utf8.RuneError):
		return "is not a text in UTF-8"
	}
	return ""
}

// shown is a value in a form that a message can contain.
func shown(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}

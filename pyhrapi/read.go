package pyhrapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Bounds of Read.
const (
	// MaxBytes is the maximum size of a file.
	MaxBytes = 64 << 20
	// ReadTime is the maximum duration of Read.
	ReadTime = 20 * time.Second
	// maxRows bounds the rows of a table; of commits, the newest maxCommits are read.
	maxRows, maxCommits = 20_000, 20
	// maxName and maxText bound a value, in bytes.
	maxName, maxText = 1000, 1 << 20
)

// An Error says why a file cannot be read.
type Error struct{ Problem string }

// Error is a clause about the file.
func (e *Error) Error() string { return "the file " + e.Problem }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Read reads a file of pyHrapi, of any of its schemas. It reads the columns. The JSON documents
// beside them have the content of the last request, and may differ. The file may be large: Read
// takes data over, and changes it. The error is an *Error, or that of ctx.
func Read(ctx context.Context, data []byte) (db Database, err error) {
	if err := makeSound(data); err != nil {
		return db, err
	}
	limited, cancel := context.WithTimeout(ctx, ReadTime)
	defer cancel()
	defer func() { // of the library, for a file that is damaged in a way of its own
		if p := recover(); p != nil {
			db, err = Database{}, wrong("is damaged: %v", p)
		}
	}()
	db, err = read(limited, data)
	switch {
	case ctx.Err() != nil:
		return Database{}, ctx.Err()
	case limited.Err() != nil:
		return Database{}, wrong("takes longer than %s to read", ReadTime)
	case err == nil, errors.As(err, new(*Error)):
		return db, err
	}
	return Database{}, wrong("is damaged, or no database of pyHrapi: %v", err)
}

// makeSound checks the header of a file, and makes the file one without a write-ahead log.
func makeSound(data []byte) error {
	const header, version = 100, 18
	switch {
	case len(data) > MaxBytes:
		return wrong("has %d bytes, expected at most %d", len(data), MaxBytes)
	case !bytes.HasPrefix(data, []byte("SQLite format 3\x00")):
		return wrong("is no SQLite database, expected one that begins with \"SQLite format 3\"")
	case len(data) < header:
		return wrong("is incomplete: it has %d bytes", len(data))
	}
	if pages := int64(bigEndian(data[28:32])); pages*pageSize(data) > int64(len(data)) {
		return wrong("is incomplete: it has %d bytes, and its header says %d", len(data), pages*pageSize(data))
	}
	data[version], data[version+1] = 1, 1 // a write-ahead log would be another file
	return nil
}

func bigEndian(b []byte) (n uint32) {
	for _, x := range b {
		n = n<<8 | uint32(x)
	}
	return n
}

func pageSize(data []byte) int64 {
	if n := bigEndian(data[16:18]); n != 1 {
		return int64(n)
	}
	return 1 << 16
}

// read reads the tables.
func read(ctx context.Context, data []byte) (db Database, err error) {
	c, err := sqlite.OpenConn(":memory:", sqlite.OpenReadWrite|sqlite.OpenMemory)
	if err != nil {
		return db, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.SetInterrupt(ctx.Done())
	if err := c.Deserialize("main", data); err != nil {
		return db, err
	}
	if err := restrict(c); err != nil {
		return db, err
	}
	in := &reader{conn: c}
	if err := in.check(); err != nil {
		return in.db, err
	}
	return in.db, in.read()
}

// restrict allows a connection nothing but reading.
func restrict(c *sqlite.Conn) error {
	for limit, value := range map[sqlite.Limit]int32{
		sqlite.LimitLength: 2 * maxText, sqlite.LimitSQLLength: 64 << 10, sqlite.LimitColumn: 100, sqlite.LimitExprDepth: 20,
		sqlite.LimitAttached: 0, sqlite.LimitTriggerDepth: 1, sqlite.LimitCompoundSelect: 5, sqlite.LimitFunctionArg: 8,
	} {
		c.Limit(limit, value)
	}
	if err := c.SetDefensive(true); err != nil {
		return err
	}
	for _, pragma := range []string{"trusted_schema = OFF", "cell_size_check = ON", "query_only = ON", "mmap_size = 0", "cache_size = -16384"} {
		if err := sqlitex.ExecuteTransient(c, "PRAGMA "+pragma, nil); err != nil {
			return err
		}
	}
	return nil
}

// A reader reads the tables of one file.
type reader struct {
	conn *sqlite.Conn
	db   Database
	more int // problems that Problems has no room for
}

// check checks that the file has the tables, with the columns, and that they are tables.
func (r *reader) check() error {
	kinds := map[string]string{}
	err := r.query("SELECT name, type, sql FROM sqlite_master", func(row row) {
		name := row.text("name")
		if kind := row.text("type"); kind != "table" && kind != "view" {
			return
		}
		kinds[name] = row.text("type")
		if strings.HasPrefix(strings.ToUpper(row.text("sql")), "CREATE VIRTUAL") {
			kinds[name] = "virtual table"
		}
	})
	if err != nil {
		return err
	}
	for _, t := range schema() {
		switch kind, isThere := kinds[t.name]; {
		case !isThere && t.isNew:
			r.db.IsOld = true
			continue
		case !isThere:
			return wrong("has no table %s, expected a database of pyHrapi", t.name)
		case kind != "table":
			return wrong("has a %s in the place of the table %s", kind, t.name)
		}
		if err := r.checkColumns(t); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) checkColumns(t table) error {
	isThere := map[string]bool{}
	var computed error
	err := r.query("PRAGMA table_xinfo("+quote(t.name)+")", func(row row) {
		isThere[row.text("name")] = true
		if row.number("hidden") != 0 {
			computed = wrong("computes the column %s of %s, expected one that is stored", shown(row.text("name")), t.name)
		}
	})
	if err = errors.Join(err, computed); err != nil {
		return err
	}
	for _, name := range append(needed(t.name), "id") {
		if !isThere[name] {
			return wrong("has no column %s in the table %s", name, t.name)
		}
	}
	return nil
}

func quote(name string) string { return `"` + name + `"` }

// query runs a statement and passes each row to use.
func (r *reader) query(statement string, use func(row)) error {
	return sqlitex.ExecuteTransient(r.conn, statement, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		use(row{s})
		return nil
	}})
}

// problem records what is wrong with a row.
func (r *reader) problem(format string, args ...any) {
	if len(r.db.Problems) >= MaxProblems {
		r.more++
		return
	}
	r.db.Problems = append(r.db.Problems, fmt.Sprintf(format, args...))
}

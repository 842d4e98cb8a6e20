package pyhrapi_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"thalassa/pyhrapi"
)

// sample is a file with something of everything.
func sample() pyhrapi.Database {
	at := time.Date(2015, 8, 1, 12, 0, 0, 5000, time.UTC)
	return pyhrapi.Database{
		Gateways:     []pyhrapi.Gateway{{Name: "gateHTTP", Protocol: "http", Default: "eta"}, {Name: "other", Protocol: "tcp", Default: "None"}},
		Endpoints:    []pyhrapi.Endpoint{{Name: "e1", Address: "12.0.0.22:80", Gateway: "gateHTTP"}, {Name: "lost", Address: "*:8081  ssl crt /tmp/x/key.pem"}},
		Pools:        []pyhrapi.Pool{{Name: "eta", Policy: "leastconn", Weights: 1.5, Enabled: true}, {Name: "theta", Policy: "backfill"}},
		Targets:      []pyhrapi.Target{{Name: "targetS1", Address: "10.0.0.1:80", Weight: "200", Enabled: true, Pool: "eta"}, {Name: "alone", Address: "ü:1", Weight: "many"}},
		GatewayPools: []pyhrapi.GatewayPool{{Name: "gp", Policy: "roundrobin"}},
		Certificates: []pyhrapi.Certificate{{Name: "key", PEM: "-----BEGIN CERTIFICATE-----\n"}},
		Uploads:      []pyhrapi.Upload{{Pending: true, Text: "global\n", Expanded: "global\n", Time: at}},
		Commits:      []pyhrapi.Commit{{Revision: "2", Text: "b", Time: at}, {Revision: "1", Text: "a", Time: at}},
	}
}

func written(t *testing.T, db pyhrapi.Database) []byte {
	t.Helper()
	data, err := pyhrapi.Write(db)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	got, err := pyhrapi.Read(t.Context(), written(t, sample()))
	if err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, sample())
	}
	empty, err := pyhrapi.Read(t.Context(), written(t, pyhrapi.Database{}))
	if err != nil || !reflect.DeepEqual(empty, pyhrapi.Database{}) {
		t.Errorf("%v, got %+v", err, empty)
	}
	twice := sample()
	twice.Targets[1].Address = twice.Targets[0].Address
	if _, err := pyhrapi.Write(twice); err == nil || !strings.Contains(err.Error(), "Targets alone") {
		t.Errorf("an address of two targets: %v", err)
	}
}

// changed is the sample after statements of SQL.
func changed(t *testing.T, statements ...string) []byte {
	t.Helper()
	c, err := sqlite.OpenConn(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Deserialize("main", written(t, sample())); err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if err := sqlitex.ExecuteScript(c, s, nil); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	data, err := c.Serialize("main")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFilesOfTheOldSchemaAreRead(t *testing.T) {
	t.Parallel()
	got, err := pyhrapi.Read(t.Context(), changed(t, `DROP TABLE Uploads`, `DROP TABLE Certificates`))
	want := sample()
	want.IsOld, want.Uploads, want.Certificates = true, nil, nil
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
}

func TestOddValuesAreReported(t *testing.T) {
	t.Parallel()
	got, err := pyhrapi.Read(t.Context(), changed(
		t, `UPDATE Targets SET weight = 7 WHERE alias = 'alone'`, `UPDATE Pools SET policy_weights = 'heavy'`,
		`INSERT INTO Endpoints (entity_id) VALUES ('*:1')`, `UPDATE Gateways SET mode = x'ff41', defBack = NULL WHERE name = 'other'`,
		`UPDATE Targets SET entity_id = printf('%.*c', 2000, 'x') WHERE alias = 'targetS1'`,
	))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`Gateways "other": mode is not a text in UTF-8`, `Endpoints: row 3 has no name, or too long a one, and is left out`,
		`Pools "eta": policy_weights is "heavy", expected a number`, `Pools "theta": policy_weights is "heavy", expected a number`,
		`Targets "targetS1": entity_id is too long, and left out`,
	}
	if !slices.Equal(got.Problems, want) {
		t.Errorf("problems %q", got.Problems)
	}
	if got.Targets[1].Weight != "7" || got.Targets[0].Address != "" || got.Gateways[1].Default != "" {
		t.Errorf("got %+v", got)
	}
}

func TestHostileFilesAreRefused(t *testing.T) {
	t.Parallel()
	sound := written(t, sample())
	const endless = `WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS id, 'a' AS name, 'http' AS mode, 'None' AS defBack FROM n`
	for want, data := range map[string][]byte{
		`begins with "SQLite format 3"`:                      []byte("global\n"),
		"is incomplete: it has 50 bytes":                     sound[:50],
		"is incomplete: it has 8192 bytes":                   sound[:8192],
		"has 67108865 bytes, expected at most 67108864":      append(slices.Clone(sound), make([]byte, pyhrapi.MaxBytes+1-len(sound))...),
		"has no table Gateways":                              changed(t, `DROP TABLE Gateways`),
		"has a view in the place of the table Gateways":      changed(t, `DROP TABLE Gateways`, `CREATE VIEW Gateways AS `+endless),
		"has no column weight in the table Targets":          changed(t, `ALTER TABLE Targets DROP COLUMN weight`),
		`computes the column "weight" of Targets`:            changed(t, `ALTER TABLE Targets DROP COLUMN weight`, `ALTER TABLE Targets ADD COLUMN weight AS (zeroblob(1000000000))`),
		"has more than 20000 rows in the table GatewaysPool": changed(t, `WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 30000) INSERT INTO GatewaysPools (name) SELECT x FROM n`),
	} {
		got, err := pyhrapi.Read(t.Context(), data)
		if !errors.As(err, new(*pyhrapi.Error)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s; read %+v", err, want, got)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pyhrapi.Read(canceled, sound); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// TestTriggersOfAFileDoNotRun: reading is all that happens.
func TestTriggersOfAFileDoNotRun(t *testing.T) {
	t.Parallel()
	data := changed(t, `CREATE TRIGGER x AFTER INSERT ON Gateways BEGIN DELETE FROM Pools; END`, `CREATE VIEW v AS SELECT load_extension('x')`)
	if got, err := pyhrapi.Read(t.Context(), data); err != nil || len(got.Pools) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestDamagedFilesDoNotPanic changes bytes at random: an error or values, in bounded time.
func TestDamagedFilesDoNotPanic(t *testing.T) {
	t.Parallel()
	sound := written(t, sample())
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // to be repeated, not secret
	for range 300 {
		data := slices.Clone(sound)
		for range 1 + r.IntN(30) {
			data[r.IntN(len(data))] = byte(r.IntN(256))
		}
		begin := time.Now()
		if _, err := pyhrapi.Read(t.Context(), data); err != nil && !errors.As(err, new(*pyhrapi.Error)) {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > pyhrapi.ReadTime {
			t.Fatalf("took %s", took)
		}
	}
}

func FuzzRead(f *testing.F) {
	data, err := pyhrapi.Write(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := pyhrapi.Read(t.Context(), slices.Clone(data)); err != nil && !errors.As(err, new(*pyhrapi.Error)) {
			t.Fatal(err)
		}
	})
}

package store_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/store"
	"thalassa/store/storetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestReadPersistenceOfTheOriginal(t *testing.T) {
	in, found, err := store.ReadPersistence(filepath.Join("testdata", "original.json"))
	if err != nil || !found {
		t.Fatal(found, err)
	}
	expected := lb.Intent{
		Frontends: map[lb.Name]lb.Frontend{
			"myapp": {
				Key: "myapp", Binds: []lb.Bind{{Port: 8080}, {Port: 80}}, Backend: "live", Mode: "http", Keepalive: "default",
				Rules: []lb.Rule{{Type: "header", Header: "host", Operation: "hdr_dom", Values: []string{"staged.myapp.example"}, Backend: "staged"}},
			},
			"db": {
				Key: "db", Binds: []lb.Bind{{Host: "10.2.2.2", Port: 5432}}, Backend: "db", Mode: "tcp", Keepalive: "close",
				Natives: []lb.RawLine{"option tcplog"},
			},
		},
		Backends: map[lb.Name]lb.Backend{
			"live": {Key: "live", Type: "dynamic", Service: "classroom-ui", Version: "1.0.0", Balance: "roundrobin", Mode: "http"},
			"staged": {
				Key: "staged", Type: "dynamic", Service: "classroom-ui", Version: "1.1.0", Balance: "source", Mode: "http", Host: "myapp.example",
				Health: &lb.Health{Method: "GET", URI: "/checkity-check", Version: "HTTP/1.1", Interval: 5 * time.Second},
			},
			"db": {
				Key: "db", Type: "static", Balance: "roundrobin", Mode: "tcp",
				Members: []lb.StaticMember{{HostPort: lb.HostPort{Host: "10.10.10.10", Port: 5432}, Weight: lb.Weighting{IsSet: true, Value: 1}}, {HostPort: lb.HostPort{Host: "10.10.10.11", Port: 5432}}},
			},
		},
		Certificates: map[lb.Name]lb.Certificate{},
	}
	expected.Sections = map[string]lb.Section{}
	if !reflect.DeepEqual(in, expected) {
		t.Errorf("got  %+v\nwant %+v", in, expected)
	}
}

func TestPersistenceByKey(t *testing.T) {
	in, err := store.ParsePersistence([]byte(`{
		"frontends": {"www": {"bind": "*:80", "backend": "live"}},
		"backends": {"live": {"type": "static", "members": [{"host": "10.0.0.1", "port": 80}]}, "b:2": {"id": "backend/b:2", "key": "b:2", "type": "static"}}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	if in.Frontends["www"].Key != "www" || in.Frontends["www"].Backend != "live" || len(in.Backends["live"].Members) != 1 || in.Backends["b:2"].Key != "b:2" {
		t.Errorf("%+v", in)
	}
}

func TestPersistenceWithoutObjects(t *testing.T) {
	for _, doc := range []string{`{"version":1}`, `{}`, `{"version":1,"frontends":[],"backends":[]}`, `{"frontends":null,"backends":{}}`} {
		in, err := store.ParsePersistence([]byte(doc))
		if err != nil || len(in.Frontends)+len(in.Backends) != 0 {
			t.Errorf("%s: %+v %v", doc, in, err)
		}
	}
	if _, found, err := store.ReadPersistence(filepath.Join(t.TempDir(), "none.json")); found || err != nil {
		t.Errorf("a file that does not exist: %t %v", found, err)
	}
}

func TestWrongPersistence(t *testing.T) {
	const static = `{"key":"live","type":"static"}`
	for name, test := range map[string]struct{ doc, want string }{
		"nothing":            {``, "is not a persistence file"},
		"half":               {`{"version":1,"frontends":[`, "is not a persistence file"},
		"an array":           {`[]`, "is not a persistence file"},
		"another version":    {`{"version":2}`, "version: 2 is not known here"},
		"a text of objects":  {`{"backends":"live"}`, "backends: is neither an array nor an object"},
		"no object":          {`{"backends":[` + static + `,7]}`, "backends[1]: is not an object"},
		"null":               {`{"backends":[null]}`, "backends[0]: is not an object"},
		"no key":             {`{"backends":[{"type":"static"}]}`, "backends[0].key: is missing"},
		"a bad key":          {`{"backends":[{"key":"a b","type":"static"}]}`, `backends["a b"].key: "a b" holds a character`},
		"id and key":         {`{"backends":[{"key":"a","id":"backend/b","type":"static"}]}`, `backends["a"].id: does not fit the key`},
		"place and key":      {`{"backends":{"a":{"key":"b","type":"static"}}}`, `backends["a"].key: does not fit the place`},
		"place and id":       {`{"backends":{"a":{"id":"backend/b","type":"static"}}}`, `backends["a"].id: does not fit the key`},
		"a key twice":        {`{"backends":[` + static + `,` + static + `]}`, `backends["live"]: is set twice`},
		"a place twice":      {`{"backends":{"live":{"type":"static"},"live":{"type":"static"}}}`, `backends["live"]: is set twice`},
		"a frontend twice":   {`{"frontends":[{"key":"f","bind":"*:80","backend":"b"},{"key":"f","bind":"*:81","backend":"b"}],"backends":[{"key":"b","type":"static"}]}`, `frontends["f"]: is set twice`},
		"a type of old":      {`{"backends":[{"key":"live","type":"spindrift"}]}`, `backends["live"].type: "spindrift" is not known here`},
		"a wrong field":      {`{"backends":[{"key":"live","type":"dynamic","name":"s","version":"1","health":{"interval":0}}]}`, `backends["live"].health.interval: 0 is out of range`},
		"a wrong kind":       {`{"backends":[{"key":"live","type":"static","members":[{"host":"10.0.0.1","port":"80"}]}]}`, `backends["live"].members`},
		"a wrong member":     {`{"backends":[{"key":"live","type":"static","members":[{"host":"10.0.0.1","port":0}]}]}`, `backends["live"].members[0].port: 0 is not a port`},
		"a smuggled section": {`{"backends":[{"key":"live","type":"static","natives":["x\nbackend y"]}]}`, `backends["live"].natives[0]`},
		"two wrongs":         {`{"frontends":[{"key":"f","bind":"x","backend":"live"}],"backends":[{"key":"live","type":"static","mode":"udp"}]}`, `backends["live"].mode`},
		"a route to nothing": {`{"frontends":[{"key":"f","bind":"*:80","backend":"live"}]}`, "frontend/f would route to nothing"},
		"an address twice":   {`{"frontends":[{"key":"f","bind":"*:80","backend":"live"},{"key":"g","bind":"*:80","backend":"live"}],"backends":[` + static + `]}`, "frontend/g: *:80 is bound by frontend/f already"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "persistence.json")
			if err := os.WriteFile(path, []byte(test.doc), 0o600); err != nil {
				t.Fatal(err)
			}
			in, found, err := store.ReadPersistence(path)
			if err == nil || !found || len(in.Frontends)+len(in.Backends) != 0 {
				t.Fatalf("found %t, %+v, %v", found, in, err)
			}
			for _, part := range []string{path, test.want} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error lacks %q: %v", part, err)
				}
			}
			var invalid *lb.InvalidError
			var conflict *lb.ConflictError
			if !errors.As(err, &invalid) && !errors.As(err, &conflict) {
				t.Errorf("the error is a %T", errors.Unwrap(err))
			}
		})
	}
}

func TestWritePersistence(t *testing.T) {
	golden := filepath.Join("testdata", "persistence.golden.json")
	if *update {
		if err := store.WritePersistence(golden, storetest.Sample("1.0.0")); err != nil {
			t.Fatal(err)
		}
	}
	expected, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "persistence.json")
	for _, former := range []string{"", "another file"} {
		if former != "" {
			if err := os.WriteFile(path, []byte(former), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.WritePersistence(path, storetest.Sample("1.0.0")); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != string(expected) {
			t.Errorf("%v, wrote\n%s", err, got)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("something was left beside the file: %v %v", entries, err)
	}
	in, found, err := store.ReadPersistence(path)
	if err != nil || !found || !reflect.DeepEqual(in, storetest.Sample("1.0.0")) {
		t.Errorf("read back: %t %v\n%+v", found, err, in)
	}
}

func TestWritePersistenceOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "persistence.json")
	if err := store.WritePersistence(path, lb.Intent{}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if want := "{\n  \"version\": 1,\n  \"frontends\": [],\n  \"backends\": []\n}\n"; err != nil || string(got) != want {
		t.Errorf("%v: %s", err, got)
	}
}

func TestWritePersistenceThroughALink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target.json"), filepath.Join(dir, "link.json")
	if err := errors.Join(os.WriteFile(target, nil, 0o600), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	if err := store.WritePersistence(link, storetest.Sample("1")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if _, found, err := store.ReadPersistence(target); err != nil || !found {
		t.Errorf("its target: %t %v", found, err)
	}
}

func TestFailedWriteLeavesTheFormerFile(t *testing.T) {
	dir := smallDisk(t)
	path := filepath.Join(dir, "persistence.json")
	if err := store.WritePersistence(path, storetest.Sample("1")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 2<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	if err := store.WritePersistence(path, storetest.Sample("2")); err == nil {
		t.Fatal("wrote onto a full disk")
	}
	in, _, err := store.ReadPersistence(path)
	if err != nil || in.Backends["live"].Version != "1" {
		t.Errorf("the former file is gone: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("something was left beside the file: %v %v", entries, err)
	}
}

// FuzzParsePersistence demands that what is accepted can be written, and read
// again as the same.
func FuzzParsePersistence(f *testing.F) {
	original, err := os.ReadFile(filepath.Join("testdata", "original.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(original)
	golden, err := os.ReadFile(filepath.Join("testdata", "persistence.golden.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add([]byte(`{"frontends":{"f":{"bind":"*:80","backend":"b"}},"backends":{"b":{"type":"static","members":null}}}`))
	f.Add([]byte(`{"backends":[{"id":"backend/x","type":"dynamic","name":"s","version":"1","members":7}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := store.ParsePersistence(data)
		if err != nil {
			return
		}
		doc, err := store.EncodePersistence(in)
		if err != nil {
			t.Fatal(err)
		}
		again, err := store.ParsePersistence(doc)
		if err != nil {
			t.Fatalf("%v: %s", err, doc)
		}
		if !reflect.DeepEqual(in, again) {
			t.Fatalf("\n got %+v\nwant %+v", again, in)
		}
	})
}

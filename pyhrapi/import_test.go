package pyhrapi_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"thalassa/gateway"
	"thalassa/lb"
	"thalassa/pyhrapi"
)

// example is the worked example of pyHrapi's README.
func example() pyhrapi.Database {
	db := pyhrapi.Database{
		Gateways:  []pyhrapi.Gateway{{Name: "gateHTTP", Protocol: "http", Default: "eta"}},
		Endpoints: []pyhrapi.Endpoint{{Name: "e1", Address: "127.0.0.1:8081", Gateway: "gateHTTP"}, {Name: "e2", Address: "127.0.0.1:8082", Gateway: "gateHTTP"}},
		Pools:     []pyhrapi.Pool{{Name: "eta", Policy: "roundrobin", Weights: 1, Enabled: true}, {Name: "theta", Policy: "leastconn", Weights: 1, Enabled: true}},
	}
	for i := range 9 {
		pool := map[bool]string{true: "eta", false: "theta"}[i < 6]
		db.Targets = append(db.Targets, pyhrapi.Target{
			Name: fmt.Sprintf("targetS%d", i+1), Address: fmt.Sprintf("10.0.0.%d:80", i+1), Weight: "1", Enabled: true, Pool: pool,
		})
	}
	db.Targets[0].Weight, db.Targets[8].Enabled = "200", false
	return db
}

func TestAnImportIsAsExported(t *testing.T) {
	t.Parallel()
	m := gateway.New(lb.Intent{}, lb.Snapshot{})
	left, err := pyhrapi.Import(example(), m, nil)
	if err != nil || len(left) > 0 {
		t.Fatalf("%v, left %q", err, left)
	}
	if err := m.Intent().Validate(); err != nil {
		t.Fatal(err)
	}
	again, left := pyhrapi.Export(m)
	if !reflect.DeepEqual(again, example()) || len(left) > 0 {
		t.Errorf("got  %+v\nwant %+v\nleft %q", again, example(), left)
	}
	in := m.Intent()
	if left, err := pyhrapi.Import(example(), m, nil); err != nil || len(left) > 0 || len(in.Changes(m.Intent())) > 0 {
		t.Errorf("the second time %v, %q, %v", err, left, in.Changes(m.Intent()))
	}
}

// TestWhatCannotBeCarriedOverIsNamed has what pyHrapi's databases are known to have.
func TestWhatCannotBeCarriedOverIsNamed(t *testing.T) {
	t.Parallel()
	db := example()
	db.Gateways = append(db.Gateways, pyhrapi.Gateway{Name: "odd", Protocol: "ftp", Default: "gone"}, pyhrapi.Gateway{Name: "a b", Protocol: "http"})
	db.Endpoints = append(
		db.Endpoints, pyhrapi.Endpoint{Name: "tls", Address: "*:8443  ssl crt /tmp/x/key.pem", Gateway: "odd"}, pyhrapi.Endpoint{Name: "own", Address: "*:8444 @none.pem", Gateway: "odd"},
		pyhrapi.Endpoint{Name: "orphan", Address: "*:1"}, pyhrapi.Endpoint{Name: "stray", Address: "*:2", Gateway: "nobody"},
		pyhrapi.Endpoint{Name: "again", Address: "127.0.0.1:8081", Gateway: "odd"}, pyhrapi.Endpoint{Name: "junk", Address: "nowhere", Gateway: "odd"},
	)
	db.Pools = append(db.Pools, pyhrapi.Pool{Name: "p", Policy: "backfill", Weights: 1.5, Enabled: true})
	for i, weight := range []string{"many", "-1", "NaN", "300", "1.5", ""} {
		db.Targets = append(db.Targets, pyhrapi.Target{Name: fmt.Sprintf("w%d", i), Address: fmt.Sprintf("10.1.0.%d:80", i+1), Weight: weight, Enabled: true, Pool: "p"})
	}
	db.Targets = append(
		db.Targets, pyhrapi.Target{Name: "orphan", Address: "10.2.0.1:80", Weight: "1"}, pyhrapi.Target{Name: "stray", Address: "10.2.0.2:80", Weight: "1", Pool: "nobody"},
		pyhrapi.Target{Name: "no port", Address: "10.2.0.3", Weight: "1", Pool: "p"},
	)
	db.GatewayPools = []pyhrapi.GatewayPool{{Name: "eta"}, {Name: "gp"}}
	db.Certificates = []pyhrapi.Certificate{{Name: "key"}}
	db.Uploads = make([]pyhrapi.Upload, 2)
	db.Problems = []string{"as the file was read"}
	m := gateway.New(lb.Intent{}, lb.Snapshot{})
	left, err := pyhrapi.Import(db, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"as the file was read",
		`pool "p" gets the default weight 1: 1.5 is not`, `pool "p" gets the policy roundrobin: HAProxy has no policy "backfill"`,
		`target "w0" gets the weight 1: "many"`, `target "w1" gets the weight 1: "-1"`, `target "w2" gets the weight 1: "NaN"`,
		`target "w3" gets the weight 256: `, `target "w4" gets the weight 1: `,
		`target "orphan" is left out: its pool was deleted`, `target "stray" is left out: its pool "nobody" does not exist`, `target "no port" is left out: `,
		`gateway "odd" gets the protocol http: "ftp"`, `gateway "odd" gets no default pool: "gone"`, `gateway "a b" is left out: `,
		`endpoint "tls" is left out: it needs the certificate "key", which is left out`,
		`endpoint "own" is left out: it needs the certificate "none", which the file does not have`,
		`endpoint "orphan" is left out: its gateway was deleted`, `endpoint "stray" is left out: its gateway "nobody" does not exist`,
		`endpoint "again" is left out: "127.0.0.1:8081" is that of endpoint "e1" already`, `endpoint "junk" is left out: `,
		`gateway pool "gp" is left out`, `certificate "key" is left out`, `2 uploaded texts`,
	}
	if !slices.EqualFunc(left, want, strings.HasPrefix) {
		t.Errorf("left out\n%s\nwant\n%s", strings.Join(left, "\n"), strings.Join(want, "\n"))
	}
	if err := m.Intent().Validate(); err != nil {
		t.Error(err)
	}
	if p, _ := m.Pool("p"); len(p.Targets) != 6 || p.Targets[3].Weight != 256 {
		t.Errorf("pool %+v", p)
	}
	db.Targets = make([]pyhrapi.Target, pyhrapi.MaxImport+1)
	if _, err := pyhrapi.Import(db, m, nil); err == nil {
		t.Error("a database of any size is taken")
	}
}

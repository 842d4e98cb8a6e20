package gateway_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"

	"thalassa/gateway"
	"thalassa/lb"
)

// A reader that follows the description of the format finds each record, and no other.
func TestCDBIsRead(t *testing.T) {
	t.Parallel()
	m := gateway.New(lb.Intent{}, lb.Snapshot{})
	for i := range 300 { // more than there are hash tables
		if _, err := m.PutPool(gateway.PoolChange{Name: fmt.Sprintf("pool-%d", i), Targets: []gateway.Target{{Name: fmt.Sprintf("t%d", i), Address: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250+1)}}}); err != nil {
			t.Fatal(err)
		}
	}
	change := gateway.Change{Name: "g", Protocol: "tcp", Endpoints: []gateway.Endpoint{{Name: "e", Address: "127.0.0.1:8081"}}, Default: "pool-7"}
	if _, err := m.PutGateway(change); err != nil {
		t.Fatal(err)
	}
	file, err := gateway.CDB(m)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		key := fmt.Sprintf("pool/pool-%d", i)
		var p gateway.Pool
		if err := json.Unmarshal(lookUp(t, file, key), &p); err != nil || p.Name != fmt.Sprintf("pool-%d", i) || len(p.Targets) != 1 {
			t.Errorf("%s: %+v, %v", key, p, err)
		}
	}
	var g gateway.Gateway
	if err := json.Unmarshal(lookUp(t, file, "gateway/g"), &g); err != nil || g.Protocol != "tcp" || g.Default != "pool-7" || len(g.Endpoints) != 1 {
		t.Errorf("%+v, %v", g, err)
	}
	for _, key := range []string{"", "pool/", "pool/pool-300", "gateway/pool-1"} {
		if got := lookUp(t, file, key); got != nil {
			t.Errorf("%q has %s", key, got)
		}
	}
}

// lookUp finds a record as cr.yp.to/cdb/cdb.txt describes; nil: there is none.
func lookUp(t *testing.T, file []byte, key string) []byte {
	t.Helper()
	number := func(at uint32) uint32 { return binary.LittleEndian.Uint32(file[at:]) }
	h := uint32(5381)
	for _, c := range []byte(key) {
		h = (h * 33) ^ uint32(c)
	}
	table, size := number(h%256*8), number(h%256*8+4)
	for i := range size {
		slot := table + (h/256+i)%size*8
		at := number(slot + 4)
		if at == 0 {
			return nil
		}
		if number(slot) != h {
			continue
		}
		keySize, dataSize := number(at), number(at+4)
		if string(file[at+8:at+8+keySize]) == key {
			return file[at+8+keySize : at+8+keySize+dataSize]
		}
	}
	return nil
}

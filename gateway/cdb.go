package gateway

import (
	"encoding/binary"
	"encoding/json"
)

// CDB is a model as a constant database (cr.yp.to/cdb/cdb.txt): the records have the keys
// "gateway/NAME" and "pool/NAME", and Gateway or Pool as JSON.
func CDB(m *Model) ([]byte, error) {
	var w cdbWriter
	w.data = make([]byte, cdbHeader)
	for _, g := range m.Gateways() {
		if err := w.add("gateway/"+g.Name, g); err != nil {
			return nil, err
		}
	}
	for _, p := range m.Pools() {
		if err := w.add("pool/"+p.Name, p); err != nil {
			return nil, err
		}
	}
	return w.finish(), nil
}

// cdbHeader is the size of the pointers to the 256 hash tables.
const cdbHeader = 256 * 8

// A cdbWriter collects records.
type cdbWriter struct {
	data   []byte
	tables [256][]cdbSlot
}

type cdbSlot struct{ hash, position uint32 }

func (w *cdbWriter) add(key string, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	hash := cdbHash(key)
	w.tables[hash%256] = append(w.tables[hash%256], cdbSlot{hash, uint32(len(w.data))}) //nolint:gosec // far below 4 GiB
	w.data = cdbPair(w.data, uint32(len(key)), uint32(len(encoded)))                    //nolint:gosec // likewise
	w.data = append(append(w.data, key...), encoded...)
	return nil
}

// finish writes the hash tables, each twice as large as its records, and the pointers.
func (w *cdbWriter) finish() []byte {
	for i, slots := range w.tables {
		size := uint32(2 * len(slots)) //nolint:gosec // far below 4 GiB
		binary.LittleEndian.PutUint32(w.data[8*i:], uint32(len(w.data)))
		binary.LittleEndian.PutUint32(w.data[8*i+4:], size)
		table := make([]cdbSlot, size)
		for _, s := range slots {
			at := s.hash / 256 % size
			for table[at].position != 0 {
				at = (at + 1) % size
			}
			table[at] = s
		}
		for _, s := range table {
			w.data = cdbPair(w.data, s.hash, s.position)
		}
	}
	return w.data
}

func cdbPair(data []byte, a, b uint32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(data, a), b)
}

func cdbHash(key string) uint32 {
	hash := uint32(5381)
	for i := range len(key) {
		hash = (hash<<5 + hash) ^ uint32(key[i])
	}
	return hash
}

package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// An Epoch is the version of a CIB: Admin and Epoch count changes of the
// configuration, Updates counts those of the status since. The zero value is
// older than any CIB.
type Epoch struct{ Admin, Epoch, Updates uint64 }

// ParseEpoch parses "admin_epoch:epoch:num_updates".
func ParseEpoch(s string) (Epoch, error) {
	var n [3]uint64
	parts := strings.Split(s, ":")
	if len(parts) != len(n) {
		return Epoch{}, fmt.Errorf("%q is not of the form admin_epoch:epoch:num_updates", s)
	}
	for i, p := range parts {
		var err error
		if n[i], err = strconv.ParseUint(p, 10, 64); err != nil {
			return Epoch{}, fmt.Errorf("%q is not of the form admin_epoch:epoch:num_updates", s)
		}
	}
	return Epoch{n[0], n[1], n[2]}, nil
}

// Compare orders epochs by age.
func (e Epoch) Compare(o Epoch) int {
	return cmp.Or(cmp.Compare(e.Admin, o.Admin), cmp.Compare(e.Epoch, o.Epoch), cmp.Compare(e.Updates, o.Updates))
}

// String is "admin_epoch:epoch:num_updates".
func (e Epoch) String() string { return fmt.Sprintf("%d:%d:%d", e.Admin, e.Epoch, e.Updates) }

// Configuration is "admin_epoch:epoch", the version of the configuration alone.
func (e Epoch) Configuration() string { return fmt.Sprintf("%d:%d", e.Admin, e.Epoch) }

// MarshalJSON returns the epoch as a JSON string.
func (e Epoch) MarshalJSON() ([]byte, error) { return json.Marshal(e.String()) }

// UnmarshalJSON is the inverse of MarshalJSON.
func (e *Epoch) UnmarshalJSON(data []byte) error {
	var s string
	err := json.Unmarshal(data, &s)
	if err == nil {
		*e, err = ParseEpoch(s)
	}
	return err
}

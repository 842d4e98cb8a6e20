package lb

import (
	"strconv"
	"time"
)

// MaxWait bounds how long a switch may wait for a healthy instance.
const MaxWait = 10 * time.Minute

type switchJSON struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Force   bool   `json:"force"`
	Wait    string `json:"wait"` // a duration such as "30s"
}

// ParseSwitch decodes and checks the JSON body of an A/B switch of the backend
// named key: version, and optionally name (of the Consul service), force and
// wait. The error is an *InvalidError naming every bad field.
func ParseSwitch(key string, body []byte) (Switch, error) {
	var in switchJSON
	if err := unmarshalStrict(body, &in); err != nil {
		return Switch{}, err
	}
	var fe fieldErrors
	s := Switch{Force: in.Force}
	var err error
	s.Backend, err = ParseName(key)
	fe.addErr("key", err)
	if in.Name != "" {
		s.Service, err = ParseName(in.Name)
		fe.addErr("name", err)
	}
	s.Version, err = ParseVersion(in.Version)
	fe.addErr("version", err)
	s.Wait, err = parseWait(in.Wait)
	fe.addErr("wait", err)
	return s, fe.err()
}

// parseWait accepts a duration between 0 and MaxWait; "" is 0.
func parseWait(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > MaxWait {
		return 0, bad(strconv.Quote(s)+" is not a time to wait", `a duration up to 10m, e.g. "30s"`)
	}
	return d, nil
}

package hrapi

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"thalassa/gateway"
)

// poolHandlers show and change pools.
type poolHandlers struct{ staging }

func (h poolHandlers) list(c echo.Context) error {
	m, err := h.model(c.Request().Context())
	if err != nil {
		return err
	}
	names := []string{}
	for _, p := range m.Pools() {
		names = append(names, p.Name)
	}
	return done(c, object{"Pools": names})
}

// findPool is the pool in the path. The error is a *missingError where there is none.
func (s staging) findPool(c echo.Context) (*gateway.Model, gateway.Pool, error) {
	name, err := param(c, "pool")
	if err != nil {
		return nil, gateway.Pool{}, err
	}
	m, err := s.model(c.Request().Context())
	if err != nil {
		return nil, gateway.Pool{}, err
	}
	p, isThere := m.Pool(name)
	if !isThere {
		err = &missingError{noPool, name}
	}
	return m, p, err
}

func (h poolHandlers) show(c echo.Context) error {
	m, p, err := h.findPool(c)
	switch {
	case err != nil:
		return failed(c, err)
	case unchanged(c, m.Intent()):
		return c.NoContent(http.StatusNotModified)
	}
	targets := object{}
	for _, t := range p.Targets {
		targets[t.Name] = t.Address
	}
	return done(c, withBeyond(object{"enabled": p.Enabled, "targets": targets}, p.Beyond))
}

func (h poolHandlers) put(c echo.Context) error {
	name, err := param(c, "pool")
	if err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	f, err := parseFields(data, "enabled", "targets")
	if err != nil {
		return err
	}
	change := gateway.PoolChange{Name: name}
	var enabled bool
	if ok, err := read(f, "enabled", "true or false", &enabled); err != nil {
		return err
	} else if ok {
		change.Enabled = &enabled
	}
	if _, ok := f["targets"]; !ok {
		return invalid("targets", "is missing", `an object of addresses: {"name": "ip:port"}`)
	}
	targets, err := pairs(f, "targets")
	if err != nil {
		return err
	}
	for _, t := range targets {
		change.Targets = append(change.Targets, gateway.Target{Name: t.name, Address: t.address})
	}
	var isNew bool
	err = h.change(c, func(m *gateway.Model) (err error) {
		isNew, err = m.PutPool(change)
		return err
	})
	return answer(c, err, func() object { return changedAnswer(isNew, "Added pool", name) })
}

func (h poolHandlers) delete(c echo.Context) error {
	name, err := param(c, "pool")
	if err != nil {
		return err
	}
	err = h.change(c, func(m *gateway.Model) error {
		ok, err := m.DeletePool(name)
		if err == nil && !ok {
			return &missingError{noPool, name}
		}
		return err
	})
	return answer(c, err, func() object { return object{"Delete pool": name} })
}

func (h poolHandlers) showPolicy(c echo.Context) error {
	_, p, err := h.findPool(c)
	if err != nil {
		return failed(c, err)
	}
	return done(c, object{"policy": p.Policy, "weights": json.RawMessage(strconv.Itoa(p.Weight) + ".0")})
}

// inPool changes the draft if the pool in the path exists.
func (h poolHandlers) inPool(c echo.Context, change func(m *gateway.Model, name string) error) (string, error) {
	name, err := param(c, "pool")
	if err != nil {
		return "", err
	}
	return name, h.change(c, func(m *gateway.Model) error {
		if _, isThere := m.Pool(name); !isThere {
			return &missingError{"Pool Not found", name}
		}
		return change(m, name)
	})
}

func (h poolHandlers) putPolicy(c echo.Context) error {
	data, err := body(c)
	if err != nil {
		return err
	}
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return h.resetPolicy(c)
	}
	f, err := parseFields(data, "policy", "weights")
	if err != nil {
		return err
	}
	var policy string
	var weights float64
	if ok, err := read(f, "policy", `text, e.g. "roundrobin"`, &policy); err != nil || !ok {
		return orMissing(err, "policy", `text, e.g. "roundrobin"`)
	}
	const expected = "a whole number from 0 to 256"
	if ok, err := read(f, "weights", expected, &weights); err != nil || !ok {
		return orMissing(err, "weights", expected)
	}
	if weights != math.Trunc(weights) || weights < 0 || weights > 256 {
		return invalid("weights", string(f["weights"])+" is not a weight of HAProxy's", expected)
	}
	name, err := h.inPool(c, func(m *gateway.Model, name string) error { return m.SetPolicy(name, policy, int(weights)) })
	return answer(c, err, func() object { return object{"Modified policy": name} })
}

func (h poolHandlers) resetPolicy(c echo.Context) error {
	name, err := h.inPool(c, func(m *gateway.Model, name string) error { return m.ResetPolicy(name) })
	return answer(c, err, func() object { return object{"Reset policy for pool": name} })
}

package hrapi

import (
	"context"
	"errors"
	"math"
	"net"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/api"
	"thalassa/gateway"
	"thalassa/lb"
)

// checkTime bounds the connection of a check.
const checkTime = 3 * time.Second

// targetHandlers show, change and check targets.
type targetHandlers struct{ staging }

func (h targetHandlers) list(c echo.Context) error {
	_, p, err := h.findPool(c)
	if err != nil {
		return failed(c, err)
	}
	names := []string{}
	for _, t := range p.Targets {
		names = append(names, t.Name)
	}
	return done(c, object{"Targets": names})
}

// find is the target in the path. Where there is none, the error says so.
func (h targetHandlers) find(c echo.Context) (gateway.Target, error) {
	m, p, err := h.findPool(c)
	if err != nil {
		return gateway.Target{}, err
	}
	name, err := param(c, "target")
	switch t, _, ok := m.Target(p.Name, name); {
	case err != nil:
		return t, err
	case !ok:
		return t, &missingError{noTarget, name}
	default:
		return t, nil
	}
}

func (h targetHandlers) show(c echo.Context) error {
	t, err := h.find(c)
	return answer(c, err, func() object { return object{"address": t.Address, "weight": t.Weight, "enabled": t.Enabled} })
}

// parseTarget reads the body of a PUT.
func parseTarget(pool, name string, data []byte) (change gateway.TargetChange, err error) {
	f, err := parseFields(data, "address", "weight", "enabled", "pool")
	if err != nil {
		return change, err
	}
	change.Pool, change.Name = pool, name
	if ok, err := read(f, "address", `"ip:port"`, &change.Address); err != nil || !ok {
		return change, orMissing(err, "address", `"ip:port"`)
	}
	const expected = "a whole number from 0 to 256"
	var weight float64
	if ok, err := read(f, "weight", expected, &weight); err != nil || !ok {
		return change, orMissing(err, "weight", expected)
	}
	if weight != math.Trunc(weight) || weight < 0 || weight > 256 {
		return change, invalid("weight", string(f["weight"])+" is not a weight of HAProxy's", expected)
	}
	change.Weight = int(weight)
	var enabled bool
	if ok, err := read(f, "enabled", "true or false", &enabled); err != nil {
		return change, err
	} else if ok {
		change.Enabled = &enabled
	}
	_, err = read(f, "pool", "the name of a pool", &change.Pool)
	return change, err
}

func (h targetHandlers) put(c echo.Context) error {
	pool, name, err := names(c, "pool", "target")
	if err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	change, err := parseTarget(pool, name, data)
	if err != nil {
		return err
	}
	var isNew bool
	err = h.change(c, func(m *gateway.Model) (err error) {
		for _, p := range []string{pool, change.Pool} {
			if !hasPool(c, m, p) {
				return &missingError{noPool2, p}
			}
		}
		isNew, err = m.PutTarget(change)
		return err
	})
	return answer(c, err, func() object { return changedAnswer(isNew, "Added Target", name) })
}

func (h targetHandlers) delete(c echo.Context) error {
	pool, name, err := names(c, "pool", "target")
	if err != nil {
		return err
	}
	err = h.change(c, func(m *gateway.Model) error {
		if _, isThere := m.Pool(pool); !isThere {
			return &missingError{noPool, pool}
		}
		ok, err := m.DeleteTarget(pool, name)
		if err == nil && !ok {
			return &missingError{noTarget, name}
		}
		return err
	})
	return answer(c, err, func() object { return object{"Deleted target": name} })
}

// check connects to a target. It disables a target that does not answer in the draft.
func (h targetHandlers) check(c echo.Context) error {
	if err := errors.Join(h.agent.CheckDeliberate(c), api.CheckParameters(c.Request())); err != nil {
		return err
	}
	t, err := h.find(c)
	if err != nil {
		return answer(c, err, nil)
	}
	pool, name, err := names(c, "pool", "target")
	if err != nil {
		return err
	}
	bind, err := lb.ParseBind(t.Address)
	if err != nil {
		return err
	}
	status := "Online"
	if !answers(c.Request().Context(), t.Address, checkTime) {
		status = "Offline"
		if err := h.change(c, func(m *gateway.Model) error { _, err := m.DisableTarget(pool, name); return err }); err != nil {
			return err
		}
	}
	return done(c, object{"Target": t.Name, "Host": string(bind.Host), "Port": bind.Port, "Status": status})
}

// answers reports whether somebody listens at an address.
func answers(ctx context.Context, address string, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err == nil {
		err = conn.Close()
	}
	return err == nil
}

// joined is host:port.
func joined(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

package hrapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/api"
	"thalassa/gateway"
	"thalassa/lb"
)

// The keys of answers that something is missing.
const (
	noGateway  = "No such gateway"
	noGateway2 = "Gateway Not Found"
	noEndpoint = "No such endpoint"
	noPool     = "No such pool"
	noPool2    = "No such Pool"
	noTarget   = "No such target"

	noCertificate = "no such certificate"
)

// gatewayHandlers show and change gateways, their endpoints and pools.
type gatewayHandlers struct{ staging }

func (h gatewayHandlers) list(c echo.Context) error {
	m, err := h.model(c.Request().Context())
	if err != nil {
		return err
	}
	names := []string{}
	for _, g := range m.Gateways() {
		names = append(names, g.Name)
	}
	return done(c, object{"Gateways": names})
}

// find is the gateway in the path. The error is a *missingError that says what is missing
// where there is none.
func (h gatewayHandlers) find(c echo.Context, what string) (*gateway.Model, gateway.Gateway, error) {
	name, err := param(c, "gateway")
	if err != nil {
		return nil, gateway.Gateway{}, err
	}
	m, err := h.model(c.Request().Context())
	if err != nil {
		return nil, gateway.Gateway{}, err
	}
	g, isThere := m.Gateway(name)
	if !isThere {
		err = &missingError{what, name}
	}
	return m, g, err
}

func (h gatewayHandlers) show(c echo.Context) error {
	m, g, err := h.find(c, noGateway)
	switch {
	case err != nil:
		return failed(c, err)
	case unchanged(c, m.Intent()):
		return c.NoContent(http.StatusNotModified)
	}
	endpoints := object{}
	for _, e := range g.Endpoints {
		endpoints[e.Name] = e.Text()
	}
	enabled, back := map[bool]string{true: "True", false: "False"}[g.Enabled], g.Default
	if back == "" {
		back = gateway.None
	}
	out := object{"gateway": g.Name, "protocol": g.Protocol, "endpoints": endpoints, "pools": g.Pools, "enable": enabled, "defaultBack": back}
	return done(c, withBeyond(out, g.Beyond))
}

// withBeyond adds the list of fields of a frontend or backend that the dialect cannot express.
func withBeyond(out object, fields []string) object {
	if len(fields) > 0 {
		out["beyond"] = fields
	}
	return out
}

// parseGateway reads the body of a PUT.
func parseGateway(name string, data []byte) (change gateway.Change, err error) {
	f, err := parseFields(data, "gateway", "protocol", "endpoints", "pools", "enable", "defaultBack")
	if err != nil {
		return change, err
	}
	change.Name = name
	var repeated string
	if ok, err := read(f, "gateway", "the name of the gateway", &repeated); err != nil || ok && repeated != name {
		return change, invalid("gateway", "is not the name in the path", name)
	}
	if _, err := read(f, "protocol", `"http" or "tcp"`, &change.Protocol); err != nil {
		return change, err
	}
	if _, ok := f["endpoints"]; !ok {
		return change, invalid("endpoints", "is missing", `an object of addresses: {"name": "ip:port"}`)
	}
	endpoints, err := pairs(f, "endpoints")
	if err != nil {
		return change, err
	}
	for _, e := range endpoints {
		change.Endpoints = append(change.Endpoints, gateway.Endpoint{Name: e.name, Address: e.address})
	}
	if change.Enabled, err = flag(f, "enable"); err != nil {
		return change, err
	}
	if _, err = read(f, "defaultBack", "the name of a pool", &change.Default); err != nil {
		return change, err
	}
	if change.Default == gateway.None {
		change.Default = ""
	}
	change.Pools, err = poolsOf(f)
	return change, err
}

// poolsOf reads the pools of a gateway: a list of names, or an object of addresses.
func poolsOf(f fields) (out []gateway.PoolOf, err error) {
	if _, ok := f["pools"]; !ok {
		return nil, nil
	}
	var names []string
	if _, err := read(f, "pools", "", &names); err == nil {
		for _, name := range names {
			out = append(out, gateway.PoolOf{Name: name})
		}
		return out, nil
	}
	list, err := pairs(f, "pools")
	for _, p := range list {
		out = append(out, gateway.PoolOf{Name: p.name, Address: p.address})
	}
	return out, err
}

func (h gatewayHandlers) put(c echo.Context) error {
	name, err := param(c, "gateway")
	if err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	change, err := parseGateway(name, data)
	if err != nil {
		return err
	}
	if err := checkSeen(c, change); err != nil {
		return err
	}
	var isNew bool
	err = h.change(c, func(m *gateway.Model) (err error) {
		if _, isThere := m.Gateway(name); !isThere && change.Protocol == "" {
			return invalid("protocol", "is missing", "http or tcp")
		}
		isNew, err = m.PutGateway(change)
		return err
	})
	return answer(c, err, func() object { return changedAnswer(isNew, "Added gateway", name) })
}

// checkSeen refuses pools and certificates that the caller does not see, whether they exist or not.
func checkSeen(c echo.Context, change gateway.Change) error {
	ctx := c.Request().Context()
	var fe lb.FieldErrors
	const problem, expected = "names what you may not use", "a name that your rights include"
	if change.Default != "" && !api.Sees(ctx, "backend/"+change.Default) {
		fe.Add("defaultBack", problem, expected)
	}
	for _, p := range change.Pools {
		if !api.Sees(ctx, "backend/"+p.Name) {
			fe.Add("pools", problem, expected)
		}
	}
	for _, e := range change.Endpoints {
		_, text, _ := strings.Cut(e.Address, "@")
		if name := strings.TrimSpace(text); name != "" && !api.Sees(ctx, "certificate/"+name) && !api.Sees(ctx, "certificate/"+strings.TrimSuffix(name, ".pem")) {
			fe.Add("endpoints."+e.Name, problem, expected)
		}
	}
	return fe.Err()
}

// changedAnswer says that something was made or changed.
func changedAnswer(isNew bool, added, name string) object {
	if isNew {
		return object{added: name}
	}
	return object{"Modified": name}
}

func (h gatewayHandlers) delete(c echo.Context) error {
	name, err := param(c, "gateway")
	if err != nil {
		return err
	}
	err = h.change(c, func(m *gateway.Model) error {
		if !m.DeleteGateway(name) {
			return &missingError{noGateway2, name}
		}
		return nil
	})
	return answer(c, err, func() object { return object{"Delete Gateway": name} })
}

func (h gatewayHandlers) listEndpoints(c echo.Context) error {
	_, g, err := h.find(c, noGateway2)
	if err != nil {
		return failed(c, err)
	}
	names := []string{}
	for _, e := range g.Endpoints {
		names = append(names, e.Name)
	}
	return done(c, object{"Gateway": g.Name, "Endpoints": names})
}

func (h gatewayHandlers) showEndpoint(c echo.Context) error {
	m, g, err := h.find(c, noGateway)
	if err != nil {
		return failed(c, err)
	}
	name, err := param(c, "endpoint")
	if err != nil {
		return err
	}
	e, _, ok := m.Endpoint(g.Name, name)
	if !ok {
		return missing(c, noEndpoint, name)
	}
	return done(c, object{"address": e.Text()})
}

// names are two names in the path.
func names(c echo.Context, first, second string) (a, b string, err error) {
	if a, err = param(c, first); err == nil {
		b, err = param(c, second)
	}
	return a, b, err
}

func (h gatewayHandlers) putEndpoint(c echo.Context) error {
	name, endpoint, err := names(c, "gateway", "endpoint")
	if err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	f, err := parseFields(data, "address")
	if err != nil {
		return err
	}
	var address string
	if ok, err := read(f, "address", `"ip:port"`, &address); err != nil || !ok {
		return orMissing(err, "address", `"ip:port"`)
	}
	if err := checkSeen(c, gateway.Change{Endpoints: []gateway.Endpoint{{Name: endpoint, Address: address}}}); err != nil {
		return err
	}
	var isNew bool
	err = h.change(c, func(m *gateway.Model) (err error) {
		if _, isThere := m.Gateway(name); !isThere {
			return &missingError{noGateway, name}
		}
		isNew, err = m.PutEndpoint(name, endpoint, address)
		return err
	})
	return answer(c, err, func() object { return changedAnswer(isNew, "added endpoint", endpoint) })
}

// orMissing is an error, or that a field is missing.
func orMissing(err error, name, expected string) error {
	if err != nil {
		return err
	}
	return invalid(name, "is missing", expected)
}

func (h gatewayHandlers) deleteEndpoint(c echo.Context) error {
	name, endpoint, err := names(c, "gateway", "endpoint")
	if err != nil {
		return err
	}
	err = h.change(c, func(m *gateway.Model) error {
		ok, err := m.DeleteEndpoint(name, endpoint)
		if err == nil && !ok {
			return &missingError{noEndpoint, endpoint}
		}
		return err
	})
	return answer(c, err, func() object { return object{"Delete Endpoint": endpoint} })
}

func (h gatewayHandlers) listPools(c echo.Context) error {
	_, g, err := h.find(c, noGateway)
	if err != nil {
		return failed(c, err)
	}
	return done(c, object{"Pools": g.Pools})
}

func (h gatewayHandlers) showPool(c echo.Context) error {
	_, g, err := h.find(c, noGateway)
	if err != nil {
		return failed(c, err)
	}
	pool, err := param(c, "pool")
	switch {
	case err != nil:
		return err
	case !slices.Contains(g.Pools, pool):
		return missing(c, noPool, pool)
	}
	return done(c, object{"pool": pool})
}

// inBoth changes the draft if the gateway and the pool in the path exist.
func (h gatewayHandlers) inBoth(c echo.Context, change func(m *gateway.Model, name, pool string) error) (string, error) {
	name, pool, err := names(c, "gateway", "pool")
	if err != nil {
		return "", err
	}
	return pool, h.change(c, func(m *gateway.Model) error {
		if _, isThere := m.Gateway(name); !isThere {
			return &missingError{noGateway, name}
		}
		if !hasPool(c, m, pool) {
			return &missingError{noPool, pool}
		}
		return change(m, name, pool)
	})
}

// hasPool reports whether there is a pool that the caller may know of.
func hasPool(c echo.Context, m *gateway.Model, pool string) bool {
	_, isThere := m.Pool(pool)
	return isThere && api.Sees(c.Request().Context(), "backend/"+pool)
}

func (h gatewayHandlers) attach(c echo.Context) error {
	pool, err := h.inBoth(c, func(m *gateway.Model, name, pool string) error { return m.Attach(name, pool) })
	return answer(c, err, func() object { return object{"Added pool": pool} })
}

func (h gatewayHandlers) detach(c echo.Context) error {
	pool, err := h.inBoth(c, func(m *gateway.Model, name, pool string) error {
		ok, err := m.Detach(name, pool)
		if err == nil && !ok {
			return &missingError{noPool, pool}
		}
		return err
	})
	return answer(c, err, func() object { return object{"Delete pool": pool} })
}

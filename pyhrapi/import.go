package pyhrapi

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"thalassa/gateway"
	"thalassa/lb"
)

// MaxImport bounds the endpoints, and the targets, that Import takes.
const MaxImport = 2000

// What pyHrapi gives to pools and targets, and HAProxy's greatest weight.
const (
	defaultPolicy            = "roundrobin"
	defaultWeight, maxWeight = 1, 256
)

// Import adds what a database has to a model. Objects of the same names are changed, the others
// stay. left has one sentence for each thing that could not be imported as it is. The error is an
// *Error for a database that is too large. Certificates must be in the model already; refused has
// the reasons why others are not stored, by name.
func Import(db Database, m *gateway.Model, refused map[string]string) (left []string, err error) {
	if n := max(len(db.Gateways), len(db.Endpoints), len(db.Pools), len(db.Targets)); n > MaxImport {
		return nil, wrong("has %d gateways, endpoints, pools or targets, expected at most %d of each", n, MaxImport)
	}
	i := &importer{db: db, model: m, refused: refused, left: slices.Clone(db.Problems), hasCertificate: map[string]bool{}}
	for _, c := range db.Certificates {
		i.hasCertificate[c.Name] = true
	}
	i.pools()
	i.targets()
	i.gateways()
	i.endpoints()
	i.rest()
	return i.left, nil
}

// An importer imports one database.
type importer struct {
	db             Database
	model          *gateway.Model
	hasCertificate map[string]bool
	refused        map[string]string // why a certificate is not stored, by its name
	left           []string
}

func (i *importer) leave(format string, args ...any) {
	i.left = append(i.left, fmt.Sprintf(format, args...))
}

// failed records an error of the model, and reports whether there is one.
func (i *importer) failed(what string, err error) bool {
	if err == nil {
		return false
	}
	if invalid, ok := errors.AsType[*lb.InvalidError](err); ok && len(invalid.Fields) > 0 {
		field := invalid.Fields[0]
		field.Path = ""
		err = field
	}
	i.leave("%s is left out: %v", what, err)
	return true
}

func (i *importer) pools() {
	for _, p := range i.db.Pools {
		what := "pool " + shown(p.Name)
		if _, err := i.model.PutPool(gateway.PoolChange{Name: p.Name, Enabled: &p.Enabled}); i.failed(what, err) {
			continue
		}
		policy, weight := cmp.Or(p.Policy, defaultPolicy), i.defaultWeight(what, p.Weights)
		if err := i.model.SetPolicy(p.Name, policy, weight); err == nil {
			continue
		}
		i.leave("%s gets the policy %s: HAProxy has no policy %s", what, defaultPolicy, shown(policy))
		i.failed("the policy of "+what, i.model.SetPolicy(p.Name, defaultPolicy, weight))
	}
}

// defaultWeight is what targets without a weight of their own get.
func (i *importer) defaultWeight(what string, weights float64) int {
	if weights == math.Trunc(weights) && weights >= 0 && weights <= maxWeight {
		return int(weights)
	}
	i.leave("%s gets the default weight %d: %v is not a whole number from 0 to %d", what, defaultWeight, weights, maxWeight)
	return defaultWeight
}

func (i *importer) targets() {
	for _, t := range i.db.Targets {
		what := "target " + shown(t.Name)
		if _, isThere := i.model.Pool(t.Pool); !isThere || t.Pool == "" {
			i.leave("%s is left out: %s", what, absent("pool", t.Pool))
			continue
		}
		_, err := i.model.PutTarget(gateway.TargetChange{
			Pool: t.Pool, Name: t.Name, Address: t.Address, Weight: i.weight(what, t.Weight), Enabled: &t.Enabled,
		})
		i.failed(what, err)
	}
}

// absent is the message about a name of something that does not exist.
func absent(kind, name string) string {
	if name == "" {
		return "its " + kind + " was deleted"
	}
	return "its " + kind + " " + shown(name) + " does not exist"
}

// weight is the weight of a target.
func (i *importer) weight(what, text string) int {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	switch {
	case text == "": // NULL: pyHrapi's default
		return defaultWeight
	case err != nil || math.IsNaN(n) || n < 0:
		i.leave("%s gets the weight %d: %s is not a weight", what, defaultWeight, shown(text))
		return defaultWeight
	case n > maxWeight:
		i.leave("%s gets the weight %d: HAProxy has no weight %s", what, maxWeight, shown(text))
		return maxWeight
	case n != math.Trunc(n):
		i.leave("%s gets the weight %d: HAProxy has no weight %s", what, int(n), shown(text))
	}
	return int(n)
}

func (i *importer) gateways() {
	for _, g := range i.db.Gateways {
		what := "gateway " + shown(g.Name)
		c := gateway.Change{Name: g.Name, Protocol: g.Protocol}
		if c.Protocol != "http" && c.Protocol != "tcp" {
			i.leave("%s gets the protocol http: %s is neither http nor tcp", what, shown(g.Protocol))
			c.Protocol = "http"
		}
		if g.Default != "" && g.Default != gateway.None {
			if _, isThere := i.model.Pool(g.Default); isThere {
				c.Default = g.Default
			} else {
				i.leave("%s gets no default pool: %s does not exist", what, shown(g.Default))
			}
		}
		_, err := i.model.PutGateway(c)
		i.failed(what, err)
	}
}

func (i *importer) endpoints() {
	taken := map[string]string{}
	for _, e := range i.db.Endpoints {
		what := "endpoint " + shown(e.Name)
		address, certificate := splitAddress(e.Address)
		_, isThere := i.model.Gateway(e.Gateway)
		switch {
		case !isThere || e.Gateway == "":
			i.leave("%s is left out: %s", what, absent("gateway", e.Gateway))
			continue
		case certificate != "" && i.lacks(certificate):
			i.leave("%s is left out: it needs the certificate %s, which %s", what, shown(certificate), i.whyNot(certificate))
			continue
		case taken[address] != "":
			i.leave("%s is left out: %s is that of endpoint %s already", what, shown(address), shown(taken[address]))
			continue
		}
		text := address
		if certificate != "" {
			text += " @" + certificate
		}
		if _, err := i.model.PutEndpoint(e.Gateway, e.Name, text); !i.failed(what, err) {
			taken[address] = e.Name
		}
	}
}

// lacks reports whether a certificate is not stored.
func (i *importer) lacks(certificate string) bool {
	_, isThere := i.model.Intent().Certificates[lb.Name(certificate)]
	return !isThere
}

// whyNot is a clause that says why a certificate is not stored.
func (i *importer) whyNot(certificate string) string {
	if i.hasCertificate[certificate] {
		return "is left out"
	}
	return "the file does not have"
}

// splitAddress splits an endpoint's text into the address and the name of its certificate;
// "": it has none. pyHrapi writes "*:443  ssl crt /DIRECTORY/key.pem", and its users
// "*:443 @key.pem".
func splitAddress(text string) (address, certificate string) {
	words := strings.Fields(text)
	if len(words) < 2 {
		return text, ""
	}
	file := words[len(words)-1]
	file = file[strings.LastIndex(file, "/")+1:]
	return words[0], strings.TrimSuffix(strings.TrimPrefix(file, "@"), ".pem")
}

// rest names what frontends and backends do not have.
func (i *importer) rest() {
	for _, p := range i.db.GatewayPools {
		if _, isThere := i.model.Pool(p.Name); !isThere {
			i.leave("gateway pool %s is left out: it has no targets", shown(p.Name))
		}
	}
	for _, c := range i.db.Certificates {
		if i.lacks(c.Name) {
			i.leave("certificate %s is left out: %s", shown(c.Name), cmp.Or(i.refused[c.Name], "it stays in the file"))
		}
	}
	if n := len(i.db.Uploads); n > 0 {
		i.leave("%d uploaded texts of haproxy.cfg are left out: they stay in the file", n)
	}
}

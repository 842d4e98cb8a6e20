package lb

import (
	"slices"
	"strconv"
)

// This file has the fields of a frontend that only the gateways/pools dialect uses.

// An Endpoint is an address of a frontend with its name in the gateways/pools dialect.
type Endpoint struct {
	Name Name
	Bind Bind
}

// An EndpointSpec is an endpoint as written by a user, not yet checked.
type EndpointSpec struct{ Name, Address string }

// parseGateway checks the names of addresses, and the backends that belong to a frontend.
func (f *Frontend) parseGateway(fe *FieldErrors, s FrontendSpec) {
	if s.Endpoints != nil {
		f.Endpoints = make([]Endpoint, 0, len(s.Endpoints))
	}
	for i, in := range s.Endpoints {
		f.addEndpoint(fe, "endpoints["+strconv.Itoa(i)+"]", in)
	}
	for i, name := range s.Pools {
		key, err := ParseName(name)
		fe.AddErr("pools["+strconv.Itoa(i)+"]", err)
		if err == nil && !slices.Contains(f.Pools, key) {
			f.Pools = append(f.Pools, key)
		}
	}
}

func (f *Frontend) addEndpoint(fe *FieldErrors, path string, in EndpointSpec) {
	name, err := ParseName(in.Name)
	fe.AddErr(path+".name", err)
	bind, bindErr := ParseBind(in.Address)
	fe.AddErr(path+".address", bindErr)
	if err != nil || bindErr != nil {
		return
	}
	if !slices.Contains(f.TypedBinds(), bind) {
		fe.Add(path+".address", bind.String()+" is not in bind", "one of the addresses in bind or tls.bind")
	}
	for _, e := range f.Endpoints {
		if e.Name == name || e.Bind == bind {
			fe.Add(path, "repeats "+string(e.Name)+" at "+e.Bind.String(), "each name and each address once")
		}
	}
	f.Endpoints = append(f.Endpoints, Endpoint{Name: name, Bind: bind})
}

// IsGateway reports whether the frontend may have no address and no backend, because the
// gateways/pools dialect defines it step by step.
func (f Frontend) IsGateway() bool { return f.Endpoints != nil }

// endpointSpecs are what parseGateway makes the endpoints of.
func endpointSpecs(f Frontend) []EndpointSpec {
	if f.Endpoints == nil {
		return nil
	}
	out := make([]EndpointSpec, len(f.Endpoints))
	for i, e := range f.Endpoints {
		out[i] = EndpointSpec{Name: string(e.Name), Address: e.Bind.String()}
	}
	return out
}

// poolTexts are the backends that belong to the frontend as text.
func poolTexts(f Frontend) []string {
	out := make([]string, len(f.Pools))
	for i, p := range f.Pools {
		out[i] = string(p)
	}
	return out
}

// keepingEndpoints is the frontend with the names that its addresses had in an earlier
// definition, and the backends that belonged to it, where it says nothing of them.
func (f Frontend) keepingEndpoints(before Frontend) Frontend {
	if f.Endpoints == nil && before.Endpoints != nil {
		f.Endpoints = slices.DeleteFunc(slices.Clone(before.Endpoints), func(e Endpoint) bool { return !slices.Contains(f.TypedBinds(), e.Bind) })
	}
	if f.Pools == nil {
		f.Pools = before.Pools
	}
	return f
}

// digestGateway adds what the gateways/pools dialect says, if anything.
func digestGateway(f Frontend, d digest) {
	if f.Endpoints != nil {
		d.list("endpoints")
		for _, e := range endpointSpecs(f) {
			d.list(e.Name, e.Address)
		}
	}
	if len(f.Pools) > 0 {
		d.list(slices.Concat([]string{"pools"}, poolTexts(f))...)
	}
}

// resolved is the frontend as HAProxy gets it; false: it listens nowhere, and HAProxy does not get
// it. The first of Pools is the default backend if there is no other.
func (f Frontend) resolved() (Frontend, bool) {
	if f.Backend == "" && len(f.Pools) > 0 && len(f.rawTargets()) == 0 {
		f.Backend = f.Pools[0]
	}
	return f, !f.IsGateway() || len(f.TypedBinds())+len(f.RawBindTexts()) > 0
}

// answersItself reports whether a raw line answers every request, so that the frontend
// needs no backend.
func (f Frontend) answersItself() bool { return slices.ContainsFunc(f.Natives, RawLine.answers) }

package node

import "thalassa/lb"

// A Catalog is the names of all services in Consul that a backend can name.
type Catalog struct {
	Services []lb.Name `json:"services"` // sorted; at most 10,000
}

// NewCatalog makes the JSON document of a list of names.
func NewCatalog(names []lb.Name) Catalog {
	return Catalog{Services: append([]lb.Name{}, names...)}
}

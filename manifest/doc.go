// Package manifest has the files that say in YAML or JSON which frontends, backends and raw
// sections there are to be, as "thalassa apply" reads and "thalassa export" writes them:
//
//	frontends:
//	  web: {bind: "*:80", backend: live}
//	backends:
//	  live: {type: dynamic, name: shop, version: "1.0.0"}
//	sections:
//	  userlist/staff: {natives: ["user ann password $5$x"]}
//
// Each object has the fields of the request that puts it. It decides with values alone.
package manifest

// Package layers holds the rules of who may import whom, and who may touch the outside world, as
// data, and checks source text against them. Its tests check the whole module, so a new package
// needs an entry in House before they pass.
//
// It only reads source. It never changes a file and
// is never imported by the product.
package layers

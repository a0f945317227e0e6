//! What `syn` reads in a crate: its modules, what each defines and imports, every path that the
//! code mentions, and how long functions are. A path is followed as the compiler does it, through
//! imports and re-exports, to the file that defines the thing; what another crate defines is not
//! found.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Expr, ExprLit, Item, Lit, UseTree, Visibility};

use super::{root, text};

type Path = Vec<String>;

/// In the order in which they are tried.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Module(usize),
    Import(Path),
    Item,
}

#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) file: String,
    pub(super) is_test: bool,
    /// Tests in the file of the code that they test.
    pub(super) is_inline_test: bool,
    /// Where the files of its children are.
    folder: String,
    /// The number of the module around it; the root is in itself.
    parent: usize,
    /// Everything of another module is imported as `*`.
    names: BTreeMap<String, BTreeSet<Name>>,
}

#[derive(Debug)]
pub(super) struct Mention {
    pub(super) module: usize,
    pub(super) path: Path,
    pub(super) line: usize,
    pub(super) is_reexport: bool,
}

#[derive(Debug)]
pub(super) struct Declaration {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) name: String,
    /// Between the braces of a function.
    pub(super) body_lines: usize,
}

#[derive(Debug, Default)]
pub(super) struct Crate {
    pub(super) modules: Vec<Module>,
    pub(super) mentions: Vec<Mention>,
    pub(super) declarations: Vec<Declaration>,
    /// The number of the module that is being read.
    current: usize,
}

impl Crate {
    /// Reads a crate from its root file on, through every `mod`.
    pub(super) fn read(file: &str) -> Self {
        let (folder, _) = file.rsplit_once('/').expect("a crate's root is in a folder");
        let (file, folder) = (file.to_owned(), folder.to_owned());
        let mut read = Self::default();
        read.modules.push(Module { file: file.clone(), folder, ..Module::default() });
        read.visit_file(&parse(&file));
        read
    }

    /// The file that defines what is mentioned, and the name that it has there.
    pub(super) fn definition(&self, mention: &Mention) -> Option<(&str, String)> {
        self.follow(mention.module, &mention.path, 12)
    }

    fn follow(&self, from: usize, path: &[String], steps: usize) -> Option<(&str, String)> {
        let (first, rest) = path.split_first().filter(|_| steps > 0)?;
        let module = &self.modules[from];
        let go = |from: usize, path: &[String]| self.follow(from, path, steps - 1);
        let named = |name: &str, rest: &[String]| {
            let mut found = module.names.get(name).into_iter().flatten();
            found.find_map(|name| match name {
                Name::Module(child) => go(*child, rest),
                Name::Import(target) => go(from, &[target, rest].concat()),
                Name::Item => Some((module.file.as_str(), first.clone())),
            })
        };
        match first.as_str() {
            "crate" => go(0, rest),
            "self" => go(from, rest),
            "super" => go(module.parent, rest),
            _ => named(first, rest).or_else(|| named("*", path)),
        }
    }

    /// Whether a file is that of a module around this one.
    pub(super) fn is_around(&self, module: usize, file: &str) -> bool {
        let parent = self.modules[module].parent;
        parent != module && (self.modules[parent].file == file || self.is_around(parent, file))
    }

    fn define(&mut self, name: String, what: Name) {
        self.modules[self.current].names.entry(name).or_default().insert(what);
    }

    fn declare(&mut self, name: &syn::Ident, body: Option<&syn::Block>) {
        let file = self.modules[self.current].file.clone();
        let line = name.span().start().line;
        let lines = |body: &syn::Block| {
            let braces = body.brace_token.span;
            (braces.close().start().line - braces.open().start().line).saturating_sub(1)
        };
        let body_lines = body.map_or(0, lines);
        self.declarations.push(Declaration { file, line, name: name.to_string(), body_lines });
    }

    /// A lower-case name alone is a variable as a rule, so it does not count.
    fn mention(&mut self, path: Path, line: usize, is_reexport: bool) {
        if path.len() > 1 || is_type(&path[0]) {
            self.mentions.push(Mention { module: self.current, path, line, is_reexport });
        }
    }

    /// The file that `mod name;` declares.
    fn file_of(&self, item: &syn::ItemMod) -> String {
        let parent = &self.modules[self.current];
        for attribute in item.attrs.iter().filter(|attribute| attribute.path().is_ident("path")) {
            if let Ok(value) = attribute.meta.require_name_value()
                && let Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) = &value.value
            {
                let (folder, _) = parent.file.rsplit_once('/').expect("a file is in a folder");
                return format!("{folder}/{}", path.value());
            }
        }
        let file = format!("{}/{}.rs", parent.folder, item.ident);
        if root().join(&file).exists() { file } else { file.replace(".rs", "/mod.rs") }
    }
}

impl<'ast> Visit<'ast> for Crate {
    fn visit_item(&mut self, item: &'ast Item) {
        let name = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Mod(item) => &item.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            _ => return visit::visit_item(self, item),
        };
        let is_module = matches!(item, Item::Mod(_));
        let what = if is_module { Name::Module(self.modules.len()) } else { Name::Item };
        self.define(name.to_string(), what);
        if !matches!(item, Item::Fn(_)) {
            self.declare(name, None);
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let (parent, around) = (self.current, &self.modules[self.current]);
        let is_for_tests = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
        });
        let mut child = Module { parent, ..Module::default() };
        child.is_test = around.is_test || is_for_tests;
        if item.content.is_some() {
            child.is_inline_test = around.is_inline_test || !around.is_test && is_for_tests;
            child.file = around.file.clone();
            child.folder = format!("{}/{}", around.folder, item.ident);
        } else {
            child.file = self.file_of(item);
            child.folder =
                child.file.trim_end_matches("/mod.rs").trim_end_matches(".rs").to_owned();
        }
        let file = child.file.clone();
        self.current = self.modules.len();
        self.modules.push(child);
        match &item.content {
            Some((_, items)) => items.iter().for_each(|item| self.visit_item(item)),
            None => Visit::visit_file(self, &parse(&file)),
        }
        self.current = parent;
    }

    /// A macro may define every type that it is given.
    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        for (path, _) in paths(item.mac.tokens.clone()) {
            if path.len() == 1 && is_type(&path[0]) {
                self.define(path.concat(), Name::Item);
            }
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        for (path, name) in leaves(&item.tree, &[]) {
            self.define(name, Name::Import(path.clone()));
            self.mention(path, item.use_token.span.start().line, is_reexport);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.declare(&item.sig.ident, Some(&item.block));
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.declare(&item.sig.ident, Some(&item.block));
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.declare(&item.sig.ident, item.default.as_ref());
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.mention(names, path.segments[0].ident.span().start().line, false);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        for (path, line) in paths(item.tokens.clone()) {
            self.mention(path, line, false);
        }
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        for (path, line) in paths(list.tokens.clone()) {
            self.mention(path, line, false);
        }
    }
}

fn parse(file: &str) -> syn::File {
    syn::parse_file(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn is_type(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
}

/// The paths that a `use` imports, each with the name that it gets.
pub(super) fn leaves(tree: &UseTree, prefix: &[String]) -> Vec<(Path, String)> {
    let join = |name: &syn::Ident| match name.to_string() {
        name if name == "self" && !prefix.is_empty() => prefix.to_vec(),
        name => [prefix, &[name]].concat(),
    };
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &join(&path.ident)),
        UseTree::Group(group) => group.items.iter().flat_map(|tree| leaves(tree, prefix)).collect(),
        UseTree::Glob(_) => vec![(prefix.to_vec(), "*".to_owned())],
        UseTree::Rename(leaf) => vec![(join(&leaf.ident), leaf.rename.to_string())],
        UseTree::Name(leaf) => {
            let path = join(&leaf.ident);
            let name = path.last().cloned().unwrap_or_default();
            vec![(path, name)]
        }
    }
}

/// The paths among the tokens of a macro or an attribute, which `syn` leaves unparsed, with their
/// lines.
fn paths(tokens: TokenStream) -> Vec<(Path, usize)> {
    let mut found: Vec<(Path, usize)> = Vec::new();
    let mut before = [' '; 2];
    for token in tokens {
        let line = token.span().start().line;
        let mark = match token {
            TokenTree::Punct(mark) => mark.as_char(),
            TokenTree::Ident(name) => {
                match found.last_mut() {
                    Some((path, _)) if before == [':'; 2] => path.push(name.to_string()),
                    // The name of a field or method.
                    _ if before[1] == '.' => {}
                    _ => found.push((vec![name.to_string()], line)),
                }
                ' '
            }
            TokenTree::Group(group) => {
                found.extend(paths(group.stream()));
                ' '
            }
            TokenTree::Literal(_) => ' ',
        };
        before = [before[1], mark];
    }
    found
}

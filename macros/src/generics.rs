//! Generic parameters: what is derived is `'static`, and so are they.

use syn::{GenericParam, Generics, Lifetime, TypeParamBound, WherePredicate, parse_quote};

use crate::mistakes::Mistakes;

/// Refuses what borrows; `why` says what it lives longer than.
pub(crate) fn check(generics: &Generics, why: &str, mistakes: &mut Mistakes) {
    for parameter in &generics.params {
        match parameter {
            GenericParam::Lifetime(lifetime) => {
                mistakes
                    .add(lifetime, format!("{why}: own the data instead of borrowing it, as in `String`"));
            }
            GenericParam::Type(ty) if !is_static(ty, generics) => {
                mistakes.add(ty, format!("{why}: write `{}: 'static`", ty.ident));
            }
            _ => {}
        }
    }
}

fn is_static(ty: &syn::TypeParam, generics: &Generics) -> bool {
    let is_static =
        |bound: &TypeParamBound| matches!(bound, TypeParamBound::Lifetime(life) if life.ident == "static");
    let predicates = generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    ty.bounds.iter().any(is_static)
        || predicates.into_iter().any(|predicate| match predicate {
            WherePredicate::Type(predicate) => {
                let bounded = &predicate.bounded_ty;
                let bounded: String = quote::quote!(#bounded).to_string();
                ty.ident == bounded && predicate.bounds.iter().any(is_static)
            }
            _ => false,
        })
}

/// The same with `'static` where something else may have been: for the stand-ins of what was refused. The first are
/// the parameters, the second the arguments.
pub(crate) fn for_stand_in(generics: &Generics) -> (Generics, Vec<syn::GenericArgument>) {
    let mut parameters = generics.clone();
    parameters.params = std::mem::take(&mut parameters.params)
        .into_iter()
        .filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
        .map(|mut parameter| {
            if let GenericParam::Type(ty) = &mut parameter {
                ty.bounds.push(parse_quote!('static));
            }
            parameter
        })
        .collect();
    let arguments = generics.params.iter().map(|parameter| match parameter {
        GenericParam::Lifetime(_) => {
            syn::GenericArgument::Lifetime(Lifetime::new("'static", proc_macro2::Span::call_site()))
        }
        GenericParam::Type(ty) => {
            let ident = &ty.ident;
            parse_quote!(#ident)
        }
        GenericParam::Const(constant) => {
            let ident = &constant.ident;
            parse_quote!(#ident)
        }
    });
    (parameters, arguments.collect())
}

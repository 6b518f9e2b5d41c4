(** Orders of a shop. *)

open Printf
module M = Map.Make (String)

exception Too_dear of int

let max_price = 100_000

let rates = [
  "at", 20;
  "be", 21;
  "de", 19;
  "fr", 20;
]

(** A thing on a shelf. *)
type item = {
  sku : string;  (** the number printed on it *)
  price : int;
}

type event =
  | Added of item
  | Removed of string
  | Cleared

module type STORE = sig
  type t

  val find : t -> string -> item option
  val save : t -> item -> unit
end

(** What is to be paid for an item. *)
let gross ~rate { price; _ } =
  if price > max_price then raise (Too_dear price);
  price * (100 + rate) / 100

let rec even = function
  | 0 -> true
  | n -> odd (n - 1)

and odd = function
  | 0 -> false
  | n -> even (n - 1)

let ( <+> ) a b = { a with price = a.price + b.price }

module Memory : STORE = struct
  type t = (string, item) Hashtbl.t

  let find = Hashtbl.find_opt

  let save store item =
    Hashtbl.replace store item.sku item
end

module Service (Store : STORE) = struct
  let rate_of country =
    try List.assoc (String.lowercase_ascii country) rates
    with Not_found -> 19

  (** Handles one event. *)
  let handle store = function
    | Added item -> Store.save store item
    | Removed sku -> printf "removed %s\n" sku
    | Cleared -> ()

  let total ~country items =
    let rate = rate_of country in
    List.fold_left (fun sum item -> sum + gross ~rate item) 0 items

  (** What a country is called in a letter. *)
  let country_name = function
    | "at" -> Some "Austria"
    | "be" -> Some "Belgium"
    | "bg" -> Some "Bulgaria"
    | "hr" -> Some "Croatia"
    | "cy" -> Some "Cyprus"
    | "cz" -> Some "Czechia"
    | "dk" -> Some "Denmark"
    | "ee" -> Some "Estonia"
    | "fi" -> Some "Finland"
    | "fr" -> Some "France"
    | "de" -> Some "Germany"
    | "gr" -> Some "Greece"
    | "hu" -> Some "Hungary"
    | "is" -> Some "Iceland"
    | "ie" -> Some "Ireland"
    | "it" -> Some "Italy"
    | "lv" -> Some "Latvia"
    | "li" -> Some "Liechtenstein"
    | "lt" -> Some "Lithuania"
    | "lu" -> Some "Luxembourg"
    | "mt" -> Some "Malta"
    | "nl" -> Some "Netherlands"
    | "no" -> Some "Norway"
    | "pl" -> Some "Poland"
    | "pt" -> Some "Portugal"
    | "ro" -> Some "Romania"
    | "sk" -> Some "Slovakia"
    | "si" -> Some "Slovenia"
    | "es" -> Some "Spain"
    | "se" -> Some "Sweden"
    | "ch" -> Some "Switzerland"
    | "ua" -> Some "Ukraine"
    | "gb" -> Some "Britain"
    | "al" -> Some "Albania"
    | _ -> None

  (** Reads lines such as [sku;price] and tells which of them are no items. Comments and empty
      lines are left out; numbers are those of the lines of the file, counted from one. *)
  let parse text =
    let item number line =
      match String.split_on_char ';' line with
      | [ ""; _ ] -> Error (sprintf "line %d: an item without a name" number)
      | [ sku; "" ] -> Error (sprintf "line %d: no price of %s" number sku)
      | [ sku; digits ] -> (
          match int_of_string_opt digits with
          | None -> Error (sprintf "line %d: %s costs %s, which is no number" number sku digits)
          | Some price when price > max_price ->
              Error (sprintf "line %d: %s is too dear" number sku)
          | Some price when price < 0 ->
              Error (sprintf "line %d: %s costs less than nothing" number sku)
          | Some price -> Ok { sku; price })
      | _ -> Error (sprintf "line %d: no item: %s" number line)
    in
    let ignored line = line = "" || line.[0] = '#' in
    let results =
      String.split_on_char '\n' text
      |> List.mapi (fun number line -> (number + 1, String.trim line))
      |> List.filter (fun (_, line) -> not (ignored line))
      |> List.map (fun (number, line) -> item number line)
    in
    let errors = List.filter_map (function Error e -> Some e | Ok _ -> None) results in
    let items = List.filter_map (function Ok it -> Some it | Error _ -> None) results in
    if errors = [] then Ok items else Error errors
end

class counter start = object (self)
  val mutable count = start

  method count = count

  method add n =
    count <- count + n;
    self#log

  method private log = printf "now %d\n" count
end

external now : unit -> float = "shop_now"

let () =
  let module S = Service (Memory) in
  match S.parse (In_channel.input_all stdin) with
  | Ok items -> printf "%d\n" (S.total ~country:"de" items)
  | Error errors -> List.iter print_endline errors

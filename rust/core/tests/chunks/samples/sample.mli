(** Orders of a shop: what is to be paid for them, and where they are kept.

    Prices are in cents. Nothing here is safe for several threads. *)

exception Too_dear of int

(** A thing on a shelf. *)
type item = {
  sku : string;  (** the number printed on it *)
  price : int;
}

type event =
  | Added of item
  | Removed of string
  | Cleared

val max_price : int

(** [gross ~rate item] is what is to be paid for [item].
    @raise Too_dear if its price is over [max_price] *)
val gross : rate:int -> item -> int

val ( <+> ) : item -> item -> item

(** Where items are kept. *)
module type STORE = sig
  type t

  val find : t -> string -> item option
  (** The item with this number. *)

  val save : t -> item -> unit
end

module Memory : STORE

module Service (Store : STORE) : sig
  val rate_of : string -> int
  (** The rate of a country, by its code of two letters in any case; 19 if there is none. *)

  val handle : Store.t -> event -> unit
  (** Handles one event. *)

  val total : country:string -> item list -> int

  val parse : string -> (item list, string list) result
  (** Reads lines such as [sku;price]. [Error] tells which of them are no items: comments and empty
      lines are left out, and the numbers are those of the lines of the file, counted from one.
      Prices are whole numbers of cents, not negative and not above [max_price]. A line may end
      with spaces, and the file with a line that has no end. Nothing is kept in memory but the
      items, yet the whole text must fit. *)

  val country_name : string -> string option
  (** What a country is called in a letter: [at] is Austria, [be] is Belgium,
      [bg] is Bulgaria,
      [hr] is Croatia,
      [cy] is Cyprus,
      [cz] is Czechia,
      [dk] is Denmark,
      [ee] is Estonia,
      [fi] is Finland,
      [fr] is France,
      [de] is Germany,
      [gr] is Greece,
      [hu] is Hungary,
      [is] is Iceland,
      [ie] is Ireland,
      [it] is Italy,
      [lv] is Latvia,
      [li] is Liechtenstein,
      [lt] is Lithuania,
      [lu] is Luxembourg,
      [mt] is Malta,
      [nl] is Netherlands,
      [no] is Norway,
      [pl] is Poland,
      [pt] is Portugal,
      [ro] is Romania,
      [sk] is Slovakia,
      [si] is Slovenia,
      [es] is Spain,
      [se] is Sweden,
      [ch] is Switzerland,
      [ua] is Ukraine,
      [gb] is Britain,
      [al] is Albania. *)

  val report : Format.formatter -> country:string -> item list -> unit
  (** Prints a line for every item and one for all of them together, widths fitted to the longest
      number. Colours are those of the terminal, unless [NO_COLOR] is set in the environment of the
      process, or the formatter does not write to a terminal at all. *)

  val watch : Store.t -> (event -> unit) -> unit
  (** Calls a function with everything that happens to the store from now on, in the order in which
      it happens, until the function raises an exception. That exception is not passed on but kept,
      and the next call of [handle] raises it. *)

  val merge : Store.t -> Store.t -> into:Store.t -> conflicts:(item -> item -> item) -> unit
  (** Puts the items of two stores into a third one, which may be one of the two. Where both have an
      item of one number, [conflicts] decides; it is called once for each such number, in no order
      that anybody may rely on, and must not change any of the stores. *)
end

class counter : int -> object
  val mutable count : int
  method count : int
  method add : int -> unit
end

external now : unit -> float = "shop_now"

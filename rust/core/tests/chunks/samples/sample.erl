%% @doc Orders of a shop.
-module(order).
-behaviour(gen_server).

-export([start_link/1, add/2, total/1]).
-export([init/1, handle_call/3, handle_cast/2]).

-include("shop.hrl").

-define(MAX_ITEMS, 100).
-define(LOG(Format, Args), io:format("~p: " ++ Format, [?MODULE | Args])).

-record(item, {
    sku :: binary(),
    price = 0 :: non_neg_integer()
}).

-record(state, {items = [] :: [#item{}], country :: atom(), changed}).

-type event() :: {added, #item{}} | {removed, binary()} | cleared.

%% @doc Starts an order without items.
-spec start_link(atom()) -> {ok, pid()}.
start_link(Country) ->
    gen_server:start_link(?MODULE, Country, []).

-spec add(pid(), #item{}) -> ok | {error, full}.
add(Order, Item) ->
    gen_server:call(Order, {add, Item}).

total(Order) -> gen_server:call(Order, total).

init(Country) ->
    {ok, #state{country = Country}}.

handle_call({add, _}, _From, #state{items = Items} = State) when length(Items) >= ?MAX_ITEMS ->
    ?LOG("full~n", []),
    {reply, {error, full}, State};
handle_call({add, Item}, _From, #state{items = Items} = State) ->
    {reply, ok, State#state{items = [Item | Items], changed = erlang:timestamp()}};
handle_call(total, _From, #state{items = Items, country = Country} = State) ->
    Rate = rate(Country),
    Sum = lists:sum([Price * (100 + Rate) div 100 || #item{price = Price} <- Items]),
    {reply, Sum, State}.

handle_cast(clear, State) ->
    {noreply, State#state{items = []}};
handle_cast({remove, Sku}, #state{items = Items} = State) ->
    {noreply, State#state{items = lists:keydelete(Sku, #item.sku, Items)}}.

%% Percent, by country.
rate(at) -> 20;
rate(be) -> 21;
rate(de) -> 19;
rate(fr) -> 20.

%% @doc Reads lines such as "sku;price" and says which of them are no items. Comments and empty
%% lines are left out; the numbers are those of the lines of the file, counted from one.
parse(Text) ->
    Lines = binary:split(Text, <<"\n">>, [global]),
    Numbered = lists:zip(lists:seq(1, length(Lines)), Lines),
    Relevant = [{Number, Line} || {Number, Line} <- Numbered, not ignored(Line)],
    Results = [
        case binary:split(Line, <<";">>) of
            [<<>>, _] ->
                {error, {Number, "an item without a name"}};
            [Sku, <<>>] ->
                {error, {Number, io_lib:format("no price of ~s", [Sku])}};
            [Sku, Digits] ->
                try binary_to_integer(Digits) of
                    Price when Price < 0 ->
                        {error, {Number, io_lib:format("~s costs less than nothing", [Sku])}};
                    Price when Price > 100000 ->
                        {error, {Number, io_lib:format("~s is too dear", [Sku])}};
                    Price ->
                        {ok, #item{sku = Sku, price = Price}}
                catch
                    error:badarg ->
                        {error, {Number, io_lib:format("~s costs ~s, no number", [Sku, Digits])}}
                end;
            _ ->
                {error, {Number, io_lib:format("no item: ~s", [Line])}}
        end
     || {Number, Line} <- Relevant
    ],
    case [Reason || {error, Reason} <- Results] of
        [] ->
            {ok, [Item || {ok, Item} <- Results]};
        Errors ->
            lists:foreach(
                fun({Number, Message}) ->
                    ?LOG("line ~b: ~s~n", [Number, Message])
                end,
                Errors
            ),
            {error, Errors}
    end.

%% What a country is called in a letter.
country(xx) -> <<"nowhere">>;
country(at) -> <<"Austria">>;
country(be) -> <<"Belgium">>;
country(bg) -> <<"Bulgaria">>;
country(hr) -> <<"Croatia">>;
country(cy) -> <<"Cyprus">>;
country(cz) -> <<"Czechia">>;
country(dk) -> <<"Denmark">>;
country(ee) -> <<"Estonia">>;
country(fi) -> <<"Finland">>;
country(fr) -> <<"France">>;
country(de) -> <<"Germany">>;
country(gr) -> <<"Greece">>;
country(hu) -> <<"Hungary">>;
country(is) -> <<"Iceland">>;
country(ie) -> <<"Ireland">>;
country(it) -> <<"Italy">>;
country(lv) -> <<"Latvia">>;
country(li) -> <<"Liechtenstein">>;
country(lt) -> <<"Lithuania">>;
country(lu) -> <<"Luxembourg">>;
country(mt) -> <<"Malta">>;
country(nl) -> <<"Netherlands">>;
country(no) -> <<"Norway">>;
country(pl) -> <<"Poland">>;
country(pt) -> <<"Portugal">>;
country(ro) -> <<"Romania">>;
country(sk) -> <<"Slovakia">>;
country(si) -> <<"Slovenia">>;
country(es) -> <<"Spain">>;
country(se) -> <<"Sweden">>;
country(ch) -> <<"Switzerland">>;
country(ua) -> <<"Ukraine">>;
country(gb) -> <<"Britain">>;
country(al) -> <<"Albania">>;
country(rs) -> <<"Serbia">>;
country(me) -> <<"Montenegro">>;
country(md) -> <<"Moldova">>;
country(mk) -> <<"Macedonia">>;
country(ba) -> <<"Bosnia">>;
country(ge) -> <<"Georgia">>;
country(am) -> <<"Armenia">>;
country(tr) -> <<"Turkey">>;
country(us) -> <<"America">>;
country(ca) -> <<"Canada">>;
country(mx) -> <<"Mexico">>;
country(br) -> <<"Brazil">>;
country(ar) -> <<"Argentina">>;
country(cl) -> <<"Chile">>;
country(jp) -> <<"Japan">>;
country(kr) -> <<"Korea">>;
country(cn) -> <<"China">>;
country(in) -> <<"India">>;
country(au) -> <<"Australia">>;
country(nz) -> <<"Zealand">>;
country(za) -> <<"Africa">>;
country(eg) -> <<"Egypt">>;
country(ma) -> <<"Morocco">>;
country(tn) -> <<"Tunisia">>;
country(ke) -> <<"Kenya">>;
country(ng) -> <<"Nigeria">>;
country(gh) -> <<"Ghana">>;
country(_) -> undefined.

ignored(<<>>) -> true;
ignored(<<"#", _/binary>>) -> true;
ignored(_) -> false.

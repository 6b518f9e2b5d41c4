# How the shop is built.
cmake_minimum_required(VERSION 3.25)
project(shop VERSION 1.2.3 LANGUAGES C CXX)

include(GNUInstallDirs)
find_package(Threads REQUIRED)

option(SHOP_TESTS "Build the tests" ON)
set(SHOP_SANITIZERS "address;undefined" CACHE STRING "Which to use in debug builds")

# Adds a library with the warnings that all of ours have.
function(shop_add_library name)
    cmake_parse_arguments(ARG "STATIC" "FOLDER" "SOURCES;LINKS" ${ARGN})
    add_library(${name} ${ARG_SOURCES})
    target_compile_features(${name} PUBLIC cxx_std_20)
    target_compile_options(${name} PRIVATE -Wall -Wextra -Werror)
    target_link_libraries(${name} PUBLIC ${ARG_LINKS})
    if(ARG_FOLDER)
        set_target_properties(${name} PROPERTIES FOLDER ${ARG_FOLDER})
    endif()
endfunction()

macro(shop_default variable value)
    if(NOT DEFINED ${variable})
        set(${variable} ${value})
    endif()
endmacro()

shop_default(SHOP_PORT 8080)

shop_add_library(orders
    SOURCES src/order.cpp src/item.cpp src/rates.cpp
    LINKS Threads::Threads
)

add_executable(shop src/main.cpp)
target_link_libraries(shop PRIVATE orders)

if(CMAKE_BUILD_TYPE STREQUAL "Debug")
    foreach(sanitizer IN LISTS SHOP_SANITIZERS)
        target_compile_options(orders PUBLIC -fsanitize=${sanitizer})
        target_link_options(orders PUBLIC -fsanitize=${sanitizer})
    endforeach()
endif()

if(SHOP_TESTS)
    enable_testing()
    find_package(GTest CONFIG REQUIRED)
    include(GoogleTest)
    foreach(test order item rates basket checkout payment delivery stock)
        add_executable(test_${test} tests/${test}.cpp)
        target_link_libraries(test_${test} PRIVATE orders GTest::gtest_main)
        target_compile_definitions(test_${test} PRIVATE
            SHOP_DATA="${CMAKE_CURRENT_SOURCE_DIR}/tests/data"
            SHOP_VERSION="${PROJECT_VERSION}"
        )
        gtest_discover_tests(test_${test} PROPERTIES TIMEOUT 60 LABELS unit)
    endforeach()
    foreach(script IN ITEMS start stop reload backup restore upgrade)
        add_test(
            NAME script_${script}
            COMMAND ${CMAKE_COMMAND} -E env
                SHOP=$<TARGET_FILE:shop>
                PORT=${SHOP_PORT}
                bash ${CMAKE_CURRENT_SOURCE_DIR}/tests/scripts/${script}.sh
            WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}
        )
        set_tests_properties(script_${script} PROPERTIES
            TIMEOUT 300
            LABELS script
            RESOURCE_LOCK port_${SHOP_PORT}
            FAIL_REGULAR_EXPRESSION "Traceback;panicked;AddressSanitizer"
        )
    endforeach()
    add_test(NAME country_at COMMAND shop --country at --name "Austria")
    add_test(NAME country_be COMMAND shop --country be --name "Belgium")
    add_test(NAME country_bg COMMAND shop --country bg --name "Bulgaria")
    add_test(NAME country_hr COMMAND shop --country hr --name "Croatia")
    add_test(NAME country_cy COMMAND shop --country cy --name "Cyprus")
    add_test(NAME country_cz COMMAND shop --country cz --name "Czechia")
    add_test(NAME country_dk COMMAND shop --country dk --name "Denmark")
    add_test(NAME country_ee COMMAND shop --country ee --name "Estonia")
    add_test(NAME country_fi COMMAND shop --country fi --name "Finland")
    add_test(NAME country_fr COMMAND shop --country fr --name "France")
    add_test(NAME country_de COMMAND shop --country de --name "Germany")
    add_test(NAME country_gr COMMAND shop --country gr --name "Greece")
    add_test(NAME country_hu COMMAND shop --country hu --name "Hungary")
    add_test(NAME country_is COMMAND shop --country is --name "Iceland")
    add_test(NAME country_ie COMMAND shop --country ie --name "Ireland")
    add_test(NAME country_it COMMAND shop --country it --name "Italy")
    add_test(NAME country_lv COMMAND shop --country lv --name "Latvia")
    add_test(NAME country_li COMMAND shop --country li --name "Liechtenstein")
    add_test(NAME country_lt COMMAND shop --country lt --name "Lithuania")
    add_test(NAME country_lu COMMAND shop --country lu --name "Luxembourg")
    add_test(NAME country_mt COMMAND shop --country mt --name "Malta")
    add_test(NAME country_nl COMMAND shop --country nl --name "Netherlands")
    add_test(NAME country_no COMMAND shop --country no --name "Norway")
    add_test(NAME country_pl COMMAND shop --country pl --name "Poland")
    add_test(NAME country_pt COMMAND shop --country pt --name "Portugal")
    add_test(NAME country_ro COMMAND shop --country ro --name "Romania")
    add_test(NAME country_sk COMMAND shop --country sk --name "Slovakia")
    add_test(NAME country_si COMMAND shop --country si --name "Slovenia")
    add_test(NAME country_es COMMAND shop --country es --name "Spain")
    add_test(NAME country_se COMMAND shop --country se --name "Sweden")
    add_custom_target(check
        COMMAND ${CMAKE_CTEST_COMMAND} --output-on-failure --parallel 4
        DEPENDS test_order test_item test_rates test_basket test_checkout
        COMMENT "Running all tests"
    )
    if(SHOP_SANITIZERS)
        set_property(TEST script_backup script_restore APPEND PROPERTY
            ENVIRONMENT "ASAN_OPTIONS=detect_leaks=1:halt_on_error=1"
        )
    endif()
endif()

install(TARGETS shop orders
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
)
